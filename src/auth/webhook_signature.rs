//! Signatures of what is sent to others, as [Standard Webhooks](https://www.standardwebhooks.com) has them: whoever gets it verifies it with
//! one of the libraries there are for that.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What secrets begin with; the rest is base64.
const PREFIX: &str = "whsec_";
/// Bytes of a secret.
const LENGTH: usize = 32;
/// How many bytes one may have that somebody else has made.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

pub fn new_secret() -> String {
    format!("{PREFIX}{}", STANDARD.encode(rand::random::<[u8; LENGTH]>()))
}

/// Whether this could be a secret.
pub fn is_secret(secret: &str) -> bool {
    let bytes = secret.strip_prefix(PREFIX).and_then(|rest| STANDARD.decode(rest).ok());
    bytes.is_some_and(|bytes| LENGTHS.contains(&bytes.len()))
}

/// The value of the header `webhook-signature`: a signature with each of `secrets`, so that they can be changed without a pause. `at` is in
/// seconds since 1970.
pub fn sign(secrets: &[&str], id: &str, at: i64, body: &str) -> String {
    let signed = format!("{id}.{at}.{body}");
    let sign = |secret: &&str| {
        let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
        let hmac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        Some(format!("v1,{}", STANDARD.encode(hmac.chain_update(signed.as_bytes()).finalize().into_bytes())))
    };
    secrets.iter().filter_map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signature = sign(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs() {
        let (one, two) = (new_secret(), new_secret());
        assert_ne!(one, two);
        assert!(
            is_secret(&one) && !is_secret("whsec_MfKQ9r8GKYqrTwjU") && !is_secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        );
        let both = sign(&[&one, &two], "1", 2, "{}");
        assert_eq!(both, format!("{} {}", sign(&[&one], "1", 2, "{}"), sign(&[&two], "1", 2, "{}")));
    }
}
