//! Counts what a check allocates, on its own thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with counts per thread.
#[derive(Debug)]
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static TOTAL: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// What was allocated, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// All allocations, freed or not. A reallocation counts with its new size.
    pub total: usize,
    /// The most that was held at any time, beyond what was held before.
    pub peak: usize,
}

/// Runs `work` and measures what it allocates.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Used) {
    let (total, live) = (TOTAL.get(), LIVE.get());
    PEAK.set(live);
    let output = work();
    (output, Used { total: TOTAL.get() - total, peak: (PEAK.get() - live).unsigned_abs() })
}

fn allocated(bytes: usize) {
    TOTAL.set(TOTAL.get() + bytes);
    LIVE.set(LIVE.get() + bytes.cast_signed());
    PEAK.set(PEAK.get().max(LIVE.get()));
}

fn freed(bytes: usize) {
    LIVE.set(LIVE.get() - bytes.cast_signed());
}

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe to implement; this one adds only counting to the system's"
)]
// SAFETY: every call is forwarded unchanged to the system's allocator. The counts are plain cells without a destructor,
// so they neither allocate nor end before their thread does.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        freed(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        allocated(size);
        freed(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}
