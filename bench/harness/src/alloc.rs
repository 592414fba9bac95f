//! A global allocator that can count. While it does not count, it costs one relaxed load. A program has it by
//! [`count_allocations!`](crate::count_allocations).
#![allow(
    unsafe_code,
    reason = "a global allocator cannot be written without it; each call goes on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Gives the program the allocator that can count.
#[macro_export]
macro_rules! count_allocations {
    () => {
        #[global_allocator]
        static ALLOCATOR: $crate::alloc::Counting = $crate::alloc::Counting;
    };
}

// The counters are apart from the switch, which every thread reads at every allocation.
static ENABLED: Padded<AtomicBool> = Padded(AtomicBool::new(false));
static COUNT: Padded<AtomicU64> = Padded(AtomicU64::new(0));
static BYTES: AtomicU64 = AtomicU64::new(0);

#[repr(align(128))]
struct Padded<T>(T);

/// The system's allocator, which counts between [`start_counting`] and [`stop_counting`].
pub struct Counting;

/// What was allocated, in calls and in requested bytes. Growing an allocation counts as one more, of the bytes it grew by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as the type says")]
pub struct Allocated {
    pub count: u64,
    pub bytes: u64,
}

/// Starts to count, in all threads, from zero.
pub fn start_counting() {
    COUNT.0.store(0, Relaxed);
    BYTES.store(0, Relaxed);
    ENABLED.0.store(true, Relaxed);
}

/// Stops counting, and returns what was allocated since the start.
pub fn stop_counting() -> Allocated {
    ENABLED.0.store(false, Relaxed);
    Allocated { count: COUNT.0.load(Relaxed), bytes: BYTES.load(Relaxed) }
}

fn note(bytes: usize) {
    if ENABLED.0.load(Relaxed) {
        COUNT.0.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes as u64, Relaxed);
    }
}

// SAFETY: every method does what `System`'s does, with the same arguments; counting touches only atomics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size.saturating_sub(layout.size()));
        // SAFETY: as above, and `ptr` came from `System`, as all of ours do.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
}
