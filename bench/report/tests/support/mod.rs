//! What the tests of the page need: results that nobody measured, and a browser.

#[allow(dead_code, reason = "not every test needs a browser")]
pub(crate) mod chromium;
pub(crate) mod synthetic;
