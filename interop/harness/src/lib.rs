//! Starts the Go peer.
