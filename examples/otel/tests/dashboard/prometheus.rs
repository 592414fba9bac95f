//! A real Prometheus on a free port, and questions to its HTTP API.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, io};

use serde_json::Value;
use testkit::process::Process;
use testkit::wait::{until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Prometheus {
    process: Process,
    address: String,
}

impl Prometheus {
    /// Starts it with a configuration. Its data go to the folder of the configuration.
    pub(crate) async fn start(config: &Path) -> Self {
        let program = program("prometheus");
        let data = config.with_file_name("data");
        let args = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            "--web.listen-address=127.0.0.1:0".into(),
        ];
        let process = Process::start(program, &args.each_ref().map(String::as_str));
        let mut address = None;
        until(|| {
            address = listens_on(&process.complaints());
            address.is_some()
        })
        .await;
        let prometheus = Self { process, address: address.expect("it was waited for") };
        // It listens before it can answer.
        within(async {
            while prometheus.get("/-/ready").await.0 != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        prometheus
    }

    /// Returns the result of an instant query. If the query is wrong, the error.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let (status, answer) = self.json(&format!("/api/v1/query?query={}", encoded(query))).await;
        if status != 200 {
            return Err(answer["error"].to_string());
        }
        Ok(answer["data"]["result"].as_array().expect("a vector").clone())
    }

    /// Returns the values of a label, of all series that a selector matches.
    pub(crate) async fn label_values(&self, selector: &str, label: &str) -> Vec<Value> {
        let path = format!("/api/v1/label/{label}/values?match[]={}", encoded(selector));
        self.json(&path).await.1["data"].as_array().expect("the values").clone()
    }

    /// Returns what it knows of the rules for alerts.
    pub(crate) async fn alerts(&self) -> Vec<Value> {
        let (_, answer) = self.json("/api/v1/rules?type=alert").await;
        let groups = answer["data"]["groups"].as_array().expect("groups");
        groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        let json = serde_json::from_str(&body);
        (status, json.unwrap_or_else(|error| panic!("{path}: {error}: {body}")))
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = within(get(&self.address, path)).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error}; {}", self.process))
    }
}

/// Checks a file with `promtool check KIND`.
///
/// # Panics
///
/// With what the tool says, if the file is wrong.
pub(crate) fn check(kind: &str, file: &Path) {
    let output =
        Command::new(program("promtool")).args(["check", kind]).arg(file).output().expect("it starts");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Where a program is.
fn program(name: &str) -> PathBuf {
    let folders = env::var_os("PATH").expect("there is a PATH");
    let found = env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("`{name}` is not in the PATH: this test needs Prometheus, such as the package `prometheus` of Debian")
    })
}

/// What it says in its log, when it has a port.
fn listens_on(log: &str) -> Option<String> {
    // A line without its end may lack the last digits.
    let (lines, _) = log.rsplit_once('\n')?;
    let line = lines.lines().find(|line| line.contains(r#"msg="Listening on""#))?;
    let (_, address) = line.split_once("address=")?;
    Some(address.split_whitespace().next()?.to_owned())
}

/// One request over HTTP/1.0, which ends with the connection. Returns the status and the body.
pub(crate) async fn get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
}

/// Percent-encoded, as a value in a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// An empty folder of this test.
pub(crate) fn empty_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{}: {error}", folder.display()),
        _ => fs::create_dir_all(&folder).expect("a folder"),
    }
    folder
}
