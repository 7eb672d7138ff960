//! Link arguments of the shared library: its soname, and that it is never unmapped.

/// Major version of the ABI: the number in the soname. 0 until the first stable release.
const SONAME: &str = "libpanseal.so.0";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{SONAME}");
        // Fork handlers and thread-local state outlive a dlclose.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
