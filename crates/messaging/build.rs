//! Tells cargo that the queries and the embedded migrations depend on the migrations' folder.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/messaging");
}
