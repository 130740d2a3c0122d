//! What the memory allocator holds, beside what the process does: of glibc's by `mallinfo2`.
//!
//! Run with `cargo run --example allocator`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::hint::black_box;
    use std::time::Duration;

    use spanwire::system::Allocator;
    use spanwire::telemetry::Telemetry;

    // Port 0: any free one, so that the examples do not fight for 9464.
    let telemetry = Telemetry::builder("allocator")
        .prometheus_port(0)
        .allocator(glibc::Glibc)
        .install()?;

    let before = glibc::Glibc.figures();
    let blocks: Vec<Vec<u8>> = (0..10_000).map(|_| vec![1; 1_000]).collect();
    let with_blocks = glibc::Glibc.figures();
    drop(black_box(blocks));
    let after = glibc::Glibc.figures();
    for (when, figures) in [
        ("before", before),
        ("with 10 MB of blocks", with_blocks),
        ("after", after),
    ] {
        println!("{when}: {figures:?}");
    }

    if let Some(addr) = telemetry.prometheus_addr() {
        println!("while the app runs, http://{addr}/metrics shows spanwire_allocator_*");
    }
    println!("{}", telemetry.shutdown(Duration::from_secs(1)));
    Ok(())
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use spanwire::system::{Allocator, AllocatorFigures};

    /// The allocator of glibc, which a Rust program on Linux has unless it chooses another.
    #[derive(Debug)]
    pub(crate) struct Glibc;

    impl Allocator for Glibc {
        fn figures(&self) -> AllocatorFigures {
            #[expect(unsafe_code, reason = "the standard library has no call for it")]
            // SAFETY: the function takes no argument and returns a plain value; glibc documents it
            // as safe for threads. It is there since glibc 2.33, or the program does not link.
            let info = unsafe { libc::mallinfo2() };
            // A large block is mapped by itself, and is in none of the arenas.
            let of_its_own = info.hblkhd;
            let allocated = info.uordblks + of_its_own;
            AllocatorFigures::allocated(bytes(allocated)).mapped(bytes(info.arena + of_its_own))
        }
    }

    fn bytes(size: usize) -> u64 {
        u64::try_from(size).unwrap_or(u64::MAX)
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn main() {
    println!("this example asks the allocator of glibc, which this system does not have");
}
