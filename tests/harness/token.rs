//! Tokens, signed here as a shopping platform's back end would sign them (RFC 7519, HS256).

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// The claims of a token, as JSON, so that a test may leave out or twist any of them.
pub type Claims = Value;

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("a clock after 1970").as_secs()).expect("a clock before the year 292 billion")
}

/// A token with these claims, signed with `secret`.
pub fn sign(secret: &str, claims: &Claims) -> String {
    sign_with(secret, &json!({"alg": "HS256", "typ": "JWT"}), claims)
}

/// The same under any header: `{"alg":"none"}` and its friends. The signature is always the HS256 one.
pub fn sign_with(secret: &str, header: &Value, claims: &Claims) -> String {
    let body = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body.as_bytes());
    format!("{body}.{}", base64url(&mac.finalize().into_bytes()))
}

/// Base64url without padding (RFC 4648, section 5).
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}
