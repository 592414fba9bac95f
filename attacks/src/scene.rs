//! What an attack is given: the server, how large the attack is to be, and what it may wait for.

use std::time::{Duration, Instant};

use crate::attacker::{Attacker, Cost};
use crate::honest::newcomer;
use crate::setting::Format;
use crate::victim::{Look, Victim};

/// How large the attacks are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    Quick,
    Full,
}

impl Size {
    pub(crate) fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

pub(crate) struct Scene<'a> {
    pub(crate) victim: &'a Victim,
    pub(crate) format: Format,
    pub(crate) size: Size,
    pub(crate) cost: Cost,
}

impl Scene<'_> {
    pub(crate) fn pick<T>(&self, quick: T, full: T) -> T {
        self.size.pick(quick, full)
    }

    pub(crate) async fn connect(&self) -> Result<Attacker, String> {
        Attacker::connect(&self.victim.address, &self.cost).await
    }

    pub(crate) async fn connect_many(&self, connections: usize) -> Result<Vec<Attacker>, String> {
        let mut attackers = Vec::with_capacity(connections);
        for _ in 0..connections {
            attackers.push(self.connect().await?);
        }
        Ok(attackers)
    }

    /// Lets the attack last for a while, during which the honest client calls. In the end a new client is served as well.
    pub(crate) async fn hold(&self) -> Result<(), String> {
        tokio::time::sleep(self.hold_time()).await;
        let took = newcomer(self.format, &self.victim.address).await?;
        if took > NEWCOMER {
            return Err(format!("a new client was served after {took:?}, later than {NEWCOMER:?}"));
        }
        Ok(())
    }

    pub(crate) fn hold_time(&self) -> Duration {
        Duration::from_millis(self.pick(800, 4000))
    }

    /// Waits until the server is in a state.
    pub(crate) async fn until(
        &self,
        patience: Duration,
        what: &str,
        mut holds: impl FnMut(&Look) -> bool,
    ) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let look = self.victim.look()?;
            if holds(&look) {
                return Ok(());
            }
            if began.elapsed() > patience {
                return Err(format!("it was not so after {patience:?}: {what}; {look:?}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How long a new client may wait for its first Reply. Connections that make room have been idle for a second.
const NEWCOMER: Duration = Duration::from_secs(3);
