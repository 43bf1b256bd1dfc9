//! Which hosts are reached without the proxy.

use std::net::IpAddr;

use super::name::{host_of, is_loopback};

/// Returns whether a host is reached without the proxy: this machine itself, and what
/// `NO_PROXY` names. Source: the rules of curl and Go for that variable: names stand for
/// their subdomains too, with or without a dot before them; addresses may have a mask.
pub(super) fn is_direct(authority: &str, exceptions: &str) -> bool {
    let host = host_of(authority).to_ascii_lowercase();
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let address: Option<IpAddr> = host.parse().ok();
    let covers = |exception: &str| {
        if exception == "*" {
            return true;
        }
        if let (Some(address), Some((network, bits))) = (address, exception.split_once('/')) {
            return is_in(address, network, bits);
        }
        let (name, only_port) = match exception.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') => (name, Some(port)),
            _ => (exception, None),
        };
        let name = name.trim_start_matches('*').trim_start_matches('.');
        let name = name.trim_matches(|c| c == '[' || c == ']');
        let is_name = host == name
            || host
                .strip_suffix(name)
                .is_some_and(|rest| rest.ends_with('.'));
        !name.is_empty() && is_name && (only_port.is_none() || only_port == port)
    };
    let exceptions = exceptions.to_ascii_lowercase();
    is_loopback(authority) || exceptions.split([',', ' ']).any(|it| covers(it.trim()))
}

/// Returns whether an address lies in a network.
fn is_in(address: IpAddr, network: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else {
        return false;
    };
    match (address, network.parse()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(network))) => {
            let differs = address.to_bits() ^ network.to_bits();
            bits <= 32 && differs.leading_zeros() >= bits
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(network))) => {
            let differs = address.to_bits() ^ network.to_bits();
            bits <= 128 && differs.leading_zeros() >= bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_the_named_hosts_need_no_proxy() {
        let list = "internal.example, .corp.example,*.lan,10.0.0.0/8,192.168.1.5,r.example:5000";
        for host in [
            "localhost:5000",
            "127.0.0.1:5000",
            "[::1]",
            "internal.example",
            "r.internal.example:443",
            "a.corp.example",
            "r.LAN",
            "10.1.2.3:5000",
            "192.168.1.5",
            "r.example:5000",
        ] {
            assert!(is_direct(host, list), "{host}");
        }
        for host in [
            "notinternal.example",
            "11.0.0.1",
            "r.example",
            "192.168.1.50",
            "example",
        ] {
            assert!(!is_direct(host, list), "{host}");
            assert!(is_direct(host, "*"), "{host}");
            assert!(!is_direct(host, ""), "{host}");
        }
    }
}
