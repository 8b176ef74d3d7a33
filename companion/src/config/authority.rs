//! Hosts, ports and URLs in settings: what is one, and whether it is this machine.

use std::net::IpAddr;

/// Whether a host, with or without the brackets of an IPv6 address, is this machine. A name is taken at its word only if it is
/// `localhost`.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Scheme, host and port, and nothing else; plain HTTP for this machine alone.
pub(super) fn origin(text: &str) -> Result<(), &'static str> {
    let (is_https, authority) = schemed(text)?;
    let host = host_of(authority).ok_or("must be scheme, host and port, without a path")??;
    encrypted_or_here(is_https, host)
}

/// The host of such an origin.
pub fn host(origin: &str) -> Option<&str> {
    let (_, authority) = schemed(origin).ok()?;
    host_of(authority)?.ok()
}

/// The same with a path, and perhaps a query.
pub(super) fn url(text: &str) -> Result<(), &'static str> {
    let (is_https, rest) = schemed(text)?;
    let (authority, path) = rest
        .find(['/', '?'])
        .and_then(|at| rest.split_at_checked(at))
        .unwrap_or((rest, ""));
    let is_path = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !path.bytes().all(is_path) {
        return Err("must be a URL without a fragment");
    }
    let host = host_of(authority).ok_or("must be a URL, without a user or a password")??;
    encrypted_or_here(is_https, host)
}

fn schemed(text: &str) -> Result<(bool, &str), &'static str> {
    match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => Ok((true, rest)),
        (_, Some(rest)) => Ok((false, rest)),
        _ => Err("must begin with https:// (or http:// on loopback)"),
    }
}

/// `None`: that is no authority.
fn host_of(authority: &str) -> Option<Result<&str, &'static str>> {
    let is_authority = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(is_authority) {
        return None;
    }
    Some(match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => port
            .parse::<u16>()
            .map(|_| host)
            .map_err(|_| "has a port that is none"),
        _ => Ok(authority),
    })
}

fn encrypted_or_here(is_https: bool, host: &str) -> Result<(), &'static str> {
    if is_https || is_loopback(host) {
        Ok(())
    } else {
        Err("must be https, unless the host is localhost or a loopback address")
    }
}
