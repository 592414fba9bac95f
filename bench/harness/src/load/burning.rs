//! Commands that burn CPU, beside a closed loop of fast ones.

use super::{Client, Measured, Phase, Round, Tally, Window, closed_tasks};

/// A closed loop over the clients. If `millis` is not 0, one Command after another computes for so long, over the same
/// connections in turns, and counts for nothing.
pub async fn burning<C: Client>(clients: &[C], round: &Round, millis: u32) -> Result<Measured, String> {
    let window = Window::after(round);
    let burner = (millis > 0).then(|| {
        let (clients, window) = (clients.to_vec(), window.clone());
        async move {
            for client in clients.iter().cycle() {
                client.burn(millis).await?;
                if window.phase() == Phase::Over {
                    break;
                }
            }
            Ok::<_, String>(())
        }
    });
    let burner = burner.map(tokio::spawn);
    let measured = window.join(closed_tasks(clients, round, &window), Tally::new(round.in_flight)).await?;
    if let Some(burner) = burner {
        burner.await.map_err(|error| error.to_string())??;
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;
    use crate::load::Echo;
    use crate::load::tests::{Mirror, round};
    use crate::participant::runtime;
    use crate::workload::Value;

    #[derive(Clone)]
    struct Burns(Mirror, Arc<AtomicU32>);

    impl Echo for Burns {
        async fn echo(&self, value: &'static Value) -> Result<Value, String> {
            self.0.echo(value).await
        }
    }

    impl Client for Burns {
        async fn burn(&self, millis: u32) -> Result<(), String> {
            tokio::time::sleep(std::time::Duration::from_millis(millis.into())).await;
            self.1.fetch_add(1, Relaxed);
            Ok(())
        }
    }

    #[test]
    fn something_burns_until_the_end_and_only_the_fast_ones_count() {
        let client = Burns(Mirror { lies: false }, Arc::default());
        let run = |millis| {
            runtime().unwrap().block_on(burning(std::slice::from_ref(&client), &round(), millis)).unwrap()
        };
        assert!(run(10).tally.commands > 0);
        let burnt = client.1.load(Relaxed);
        assert!((2..=30).contains(&burnt), "{burnt}");
        assert!(run(0).tally.commands > 0);
        assert_eq!(client.1.load(Relaxed), burnt);
    }
}
