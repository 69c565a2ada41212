//! Asks the processor for memory before it is needed. Rust cannot check that call, so it is here alone.

#![allow(unsafe_code)]

/// Has the processor bring the bytes of `value` into its cache, while it goes on with something else. What
/// `value` points to is not brought.
///
/// A thousand viewers have more state than the cache next to the processor holds: each time a frame comes,
/// the state of each viewer has to be waited for.
///
/// Does nothing where the standard library has no such call, as on ARM.
pub fn prefetch<T: ?Sized>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(value).cast::<i8>();
        for offset in (0..size_of_val(value)).step_by(CACHE_LINE) {
            // SAFETY: it reads nothing that the program can see, and an address of any kind is allowed.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// The bytes that one prefetch brings.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;
