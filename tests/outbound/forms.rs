//! Ways in which an address can be written that is not public.

use std::net::{IpAddr, Ipv4Addr};

/// Addresses of IPv4, one or more of each network that is not public.
const V4: [Ipv4Addr; 26] = [
    Ipv4Addr::new(127, 0, 0, 1),
    Ipv4Addr::new(127, 0, 0, 2),
    Ipv4Addr::new(127, 1, 2, 3),
    Ipv4Addr::new(127, 255, 255, 254),
    Ipv4Addr::new(0, 0, 0, 0),
    Ipv4Addr::new(0, 1, 2, 3),
    Ipv4Addr::new(10, 0, 0, 1),
    Ipv4Addr::new(10, 255, 255, 255),
    Ipv4Addr::new(100, 64, 0, 1),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(169, 254, 1, 1),
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(172, 16, 0, 1),
    Ipv4Addr::new(172, 31, 255, 254),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv4Addr::new(192, 88, 99, 1),
    Ipv4Addr::new(192, 168, 1, 1),
    Ipv4Addr::new(198, 18, 0, 1),
    Ipv4Addr::new(198, 51, 100, 1),
    Ipv4Addr::new(203, 0, 113, 1),
    Ipv4Addr::new(224, 0, 0, 1),
    Ipv4Addr::new(240, 0, 0, 1),
    Ipv4Addr::new(255, 255, 255, 255),
];

/// Hosts of IPv6, and names.
const HOSTS: [&str; 44] = [
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::0.0.0.1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[fdff:ffff::1]",
    "[fe80::1]",
    "[FE80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff01::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[2001::1]",
    "[2001:db8::1]",
    "[2001:20::1]",
    "[3fff::1]",
    "[100::1]",
    "[64:ff9b:1::1]",
    "[5f00::1]",
    "[4000::1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "LocalHost.",
    "localhost.localdomain",
    "a.localhost",
    "a.b.localhost.",
    "ip6-localhost",
    "ip6-loopback",
    "intranet",
    "router.lan",
    "printer.local",
    "PRINTER.LOCAL.",
    "metadata.google.internal",
    "metadata",
    "kubernetes.default.svc.cluster.local",
    "db",
    "redis.",
    "nas.home.arpa",
    "ｌｏｃａｌｈｏｓｔ",
];

/// The ways in which an address of IPv4 can be written.
fn written(address: Ipv4Addr) -> Vec<String> {
    let ([a, b, c, d], n) = (address.octets(), address.to_bits());
    let (low, lower) = (n & 0xff_ffff, n & 0xffff);
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{n}"),
        format!("{n:#x}"),
        format!("0X{n:X}"),
        format!("0{n:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0{a:o}.{b:#x}.{c}.{d}"),
        format!("{a}.{low}"),
        format!("{a}.{b}.{lower}"),
        format!("%{:02x}{}", format!("{a}").as_bytes()[0], &format!("{a}.{b}.{c}.{d}")[1..]),
        wide(&format!("{a}.{b}.{c}.{d}")),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
        format!("[::ffff:{:x}:{:x}]", n >> 16, lower),
        format!("[0:0:0:0:0:ffff:{a}.{b}.{c}.{d}]"),
        format!("[::{a}.{b}.{c}.{d}]"),
        format!("[::ffff:0:{a}.{b}.{c}.{d}]"),
        format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
        format!("[2002:{:x}:{:x}::1]", n >> 16, lower),
        format!("{a}-{b}-{c}-{d}.at.example.com"),
        format!("{a}-{b}-{c}-{d}.AT.Example.com."),
        format!("8-8-8-8.and.{a}-{b}-{c}-{d}.at.example.com"),
        format!("{a}-{b}-{c}-{d}.and.8-8-8-8.at.example.com"),
    ]
}

/// In full-width signs, which are the same in a name.
fn wide(s: &str) -> String {
    s.chars().map(|c| if c.is_ascii_digit() { char::from_u32(c as u32 + 0xfee0).unwrap() } else { '。' }).collect()
}

/// Every form, as a URL with this port; and those which have something before or after the host.
pub fn urls(port: u16) -> Vec<String> {
    let hosts: Vec<String> = V4.into_iter().flat_map(written).chain(HOSTS.map(str::to_owned)).collect();
    let mut urls: Vec<String> = hosts.iter().map(|host| format!("http://{host}:{port}/hook")).collect();
    for host in ["127.0.0.1", "[::1]", "localhost", "0x7f.1", "127-0-0-1.at.example.com", "[::ffff:7f00:1]"] {
        urls.extend([
            format!("https://{host}:{port}/hook"),
            format!("HTTPS://{host}:{port}/hook"),
            format!("http://{host}:{port}?x"),
            format!("http://{host}:{port}/#example.com"),
            format!("http:{host}:{port}/hook"),
            format!("http:///{host}:{port}/hook"),
            format!("http://example.com@{host}:{port}/hook"),
            format!("http://example.com:80@{host}:{port}/hook"),
            format!("http://@{host}:{port}/hook"),
            format!("http://{host}:{port}\\@example.com/hook"),
            format!("http://example.com%40{host}:{port}/hook"),
            format!("http://{host}%00.example.com:{port}/hook"),
            format!("http://{host}%2f@example.com:{port}/hook"),
            format!("ftp://{host}:{port}/hook"),
            format!("gopher://{host}:{port}/hook"),
            format!("ws://{host}:{port}/hook"),
            format!("file://{host}:{port}/hook"),
            format!(" http://{host}:{port}/hook"),
            format!("ht\ntp://{host}:{port}/hook"),
            format!("http://{host}:{port}/hook\r\nHost: example.com"),
        ]);
    }
    urls
}

/// Whether a URL of [`urls`] leads to this machine's loopback of IPv4.
pub fn is_loopback(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().filter(|url| url.username().is_empty() && !url.as_str().contains('\\'));
    let Some(host) = host.and_then(|url| url.host_str().map(str::to_owned)) else { return false };
    let clean = !url.contains(|c: char| c.is_whitespace() || c == '\\' || c == '@');
    let named = host.trim_end_matches('.').strip_suffix(".at.example.com").and_then(spelled);
    let address = host.parse().ok().or(named);
    clean && address.is_some_and(|address: IpAddr| address.is_ipv4() && address.is_loopback())
}

/// The address that `127-0-0-1` spells.
pub fn spelled(s: &str) -> Option<IpAddr> {
    s.replace('-', ".").parse().ok()
}
