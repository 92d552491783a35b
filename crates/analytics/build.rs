//! A migration that is added must be seen by the next build.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/analytics");
}
