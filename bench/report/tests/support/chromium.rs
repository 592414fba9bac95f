//! Chromium without a window, driven over a pair of pipes by its DevTools protocol.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use base64::Engine;
use serde_json::{Value, json};

/// How long anything may take: a busy machine starts a browser in seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one tab. It is ended when this is dropped.
pub(crate) struct Chromium {
    child: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    next_id: u64,
    /// What the page said and did since it was opened: errors, and requests to the network.
    complaints: Vec<String>,
    profile: std::path::PathBuf,
}

/// How a reader sees a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) is_dark: bool,
}

impl Chromium {
    /// Starts the browser that `CHROMIUM` names, or else `chromium`.
    pub(crate) fn start() -> Self {
        let program = env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
        let profile = env::temp_dir().join(format!(
            "bench-report-chromium-{}-{:?}",
            process::id(),
            thread::current().id()
        ));
        // Chromium reads from descriptor 3 and writes to 4. There is no sandbox for root, and the pages are our own.
        let command = "exec \"$0\" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
                       --no-first-run --disable-background-networking --user-data-dir=\"$1\" --remote-debugging-pipe \
                       3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", command, &program])
            .arg(&profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let requests = child.stdin.take().expect("it was piped");
        let output = BufReader::new(child.stdout.take().expect("it was piped"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in output.split(0) {
                let Ok(message) = message else { break };
                let Ok(message) = serde_json::from_slice(&message) else { break };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut chromium = Self {
            child,
            requests,
            messages,
            session: String::new(),
            next_id: 0,
            complaints: Vec::new(),
            profile,
        };
        let target = chromium.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = chromium
            .call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        chromium.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            chromium.call(&format!("{domain}.enable"), json!({}));
        }
        chromium
    }

    /// Opens a file as it is seen in a view, and waits until it is loaded.
    pub(crate) fn open(&mut self, file: &Path, view: View) {
        self.see(view);
        self.complaints.clear();
        let file = file.canonicalize().expect("the file is there");
        self.call("Page.navigate", json!({ "url": format!("file://{}", file.display()) }));
        let is_loaded = "document.readyState === 'complete' && location.protocol === 'file:'";
        let begin = Instant::now();
        while self.evaluate(is_loaded) != json!(true) {
            assert!(begin.elapsed() < PATIENCE, "{} is not loaded: {:?}", file.display(), self.complaints);
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn see(&mut self, view: View) {
        let size =
            json!({ "width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if view.is_dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// The value of a JavaScript expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Moves the pointer to a place in the view.
    pub(crate) fn point_at(&mut self, x: f64, y: f64) {
        self.call("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": x, "y": y }));
    }

    /// Errors, warnings and network requests of the page that is open.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // What the page did before this call is reported before its answer.
        self.evaluate("new Promise((done) => setTimeout(done, 50))");
        self.complaints.clone()
    }

    /// Writes the whole page as a PNG.
    pub(crate) fn screenshot(&mut self, file: &Path) {
        let answer = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let data = answer["data"].as_str().expect("an image");
        let image = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        fs::write(file, image).expect("the image can be written");
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next_id += 1;
        let mut request = json!({ "id": self.next_id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        let mut request = request.to_string().into_bytes();
        request.push(0);
        let sent = self.requests.write_all(&request).and_then(|()| self.requests.flush());
        sent.unwrap_or_else(|error| panic!("{HELP} ({error})"));
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let mut message = message.unwrap_or_else(|error| panic!("{HELP} ({method}: {error})"));
            if message["id"] == json!(self.next_id) {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].take();
            }
            self.complaints.extend(complaint(&message));
        }
    }
}

/// What must not happen in a page that is self-contained and without faults.
fn complaint(message: &Value) -> Option<String> {
    let parameters = &message["params"];
    match message["method"].as_str()? {
        "Runtime.consoleAPICalled" => Some(format!("console.{}: {}", parameters["type"], parameters["args"])),
        "Runtime.exceptionThrown" => Some(format!("exception: {}", parameters["exceptionDetails"])),
        "Log.entryAdded" => Some(format!("log: {}", parameters["entry"]["text"])),
        "Network.requestWillBeSent" => {
            let url = parameters["request"]["url"].as_str()?;
            let is_page = parameters["type"] == json!("Document") && url.starts_with("file://");
            (!is_page).then(|| format!("request: {url}"))
        }
        _ => None,
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its other processes still write to the profile when it is killed; asked, it waits for them.
        let _ = self
            .requests
            .write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0")
            .and_then(|()| self.requests.flush());
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(10));
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let removed = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(10));
            fs::remove_dir_all(&self.profile).is_ok() || !self.profile.exists()
        });
        if !removed {
            eprintln!("{} is left behind", self.profile.display());
        }
    }
}

const HELP: &str = "Chromium does not answer: install it (apt-get install chromium), or name it by CHROMIUM";
