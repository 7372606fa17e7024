//! Tells Cargo that the migrations are part of the program, as `migrate!` reads them at compile time.

#[allow(clippy::print_stdout, reason = "a build script speaks to Cargo by its standard output")]
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
