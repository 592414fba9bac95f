//! The largest piece of memory that this process has asked for, and how many large ones it has.

#![allow(dead_code, reason = "each test asks for what it needs")]
#![allow(
    unsafe_code,
    reason = "a global allocator cannot be written without it; each call goes on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

#[global_allocator]
static ALLOCATOR: Watching = Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// Larger than any buffer that a thread keeps.
const LARGE: usize = 128 << 10;

/// How many large pieces were asked for, and how many there are.
static ASKED_FOR: AtomicUsize = AtomicUsize::new(0);
static THERE: AtomicIsize = AtomicIsize::new(0);

struct Watching;

fn asks(size: usize) {
    LARGEST.fetch_max(size, Relaxed);
    if size > LARGE {
        ASKED_FOR.fetch_add(1, Relaxed);
        THERE.fetch_add(1, Relaxed);
    }
}

fn gives_back(size: usize) {
    if size > LARGE {
        THERE.fetch_sub(1, Relaxed);
    }
}

/// How many pieces over 128 KiB this process has asked for; a piece that grows counts again.
pub(crate) fn large_allocations() -> usize {
    ASKED_FOR.load(Relaxed)
}

/// How many pieces over 128 KiB it has.
pub(crate) fn large_pieces() -> isize {
    THERE.load(Relaxed)
}

/// In bytes.
pub(crate) fn largest_allocation() -> usize {
    LARGEST.load(Relaxed)
}

// SAFETY: every method does what `System`'s does, with the same arguments; watching touches only an atomic.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        asks(layout.size());
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        asks(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        gives_back(layout.size());
        asks(size);
        // SAFETY: the caller's promise about `at`, `layout` and `size` is passed on.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        gives_back(layout.size());
        // SAFETY: the caller's promise about `at` and `layout` is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}
