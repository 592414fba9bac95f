// error: `Difference` is not what this Command is answered with: `Sum`

use cmd_stream::protocol::kind::Plain;
use cmd_stream::{Command, Execute, Failed, Proxy};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

struct Calc;

struct Difference(i64);

impl Command for Add {
    type Reply = Sum;
    type Kind = Plain;
}

impl Execute<Calc> for Add {
    async fn execute(self, _: &Calc, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
        proxy.send(Difference(self.a - self.b)).await
    }
}

fn main() {}
