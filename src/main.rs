//! `cldctl-registry`: lists, registers, inspects and removes the artifacts in
//! cldctl's local registry.

fn main() -> std::process::ExitCode {
    cldctl_registry::cli::main()
}
