//! Tokens: JSON Web Tokens (RFC 7519) signed with HS256 (RFC 7518, section 3.2), and nothing else.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hs256;
use crate::domain::{ids, people::Role};

/// The longest name that a token may give a user, in characters; a longer one is cut.
const NAME_MAX: usize = 128;
const AVATAR_MAX: usize = 2_048;

/// What a valid token says. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub uid: Arc<str>,
    pub expires_at: i64,
    /// 0 where the token does not say.
    pub issued_at: i64,
    pub name: Option<String>,
    pub avatar: Option<String>,
    /// Shops in which the platform wants this user to be an agent.
    pub shops: Vec<(String, Role)>,
    /// The token is good for changing the password, and for nothing else.
    pub must_change_password: bool,
}

/// A token that is not valid. Why, nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid token")]
pub struct Invalid;

#[derive(Serialize)]
struct Minted<'a> {
    sub: &'a str,
    exp: i64,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    must_change_password: bool,
}

#[derive(Deserialize)]
struct Raw {
    sub: String,
    exp: Value,
    #[serde(default)]
    iat: Value,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    avatar: Value,
    #[serde(default)]
    shops: Value,
    #[serde(default)]
    must_change_password: Value,
}

/// The keys made of `auth.secret`.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Tokens {
    pub fn new(secret: &SecretString) -> Tokens {
        hs256::install();
        let bytes = secret.expose_secret().as_bytes();
        Tokens { encoding: EncodingKey::from_secret(bytes), decoding: DecodingKey::from_secret(bytes) }
    }

    /// A digest of anything, of which nobody without the secret learns anything, not even by trying.
    ///
    /// # Errors
    /// [`Invalid`] if it cannot be made.
    pub fn digest(&self, of: &str, bytes: &[u8]) -> Result<String, Invalid> {
        let message = [of.as_bytes(), b"\n", bytes].concat();
        jsonwebtoken::crypto::sign(&message, &self.encoding, Algorithm::HS256).map_err(|_| Invalid)
    }

    /// A token for `uid`, valid for `ttl` seconds from `now`.
    ///
    /// # Errors
    /// [`Invalid`] if it cannot be signed.
    pub fn mint(&self, uid: &str, name: Option<&str>, now: i64, ttl: i64) -> Result<String, Invalid> {
        self.sign(&Minted { sub: uid, exp: now.saturating_add(ttl), iat: now, name, must_change_password: false })
    }

    /// The same, good for changing the password and for nothing else.
    ///
    /// # Errors
    /// [`Invalid`] if it cannot be signed.
    pub fn mint_for_password(&self, uid: &str, now: i64, ttl: i64) -> Result<String, Invalid> {
        self.sign(&Minted { sub: uid, exp: now.saturating_add(ttl), iat: now, name: None, must_change_password: true })
    }

    fn sign(&self, claims: &Minted<'_>) -> Result<String, Invalid> {
        encode(&Header::new(Algorithm::HS256), claims, &self.encoding).map_err(|_| Invalid)
    }

    /// # Errors
    /// [`Invalid`], for whatever reason.
    pub fn verify(&self, token: &str, now: i64) -> Result<Claims, Invalid> {
        let mut validation = Validation::new(Algorithm::HS256);
        // `exp` is compared here: the library would round what is not an integer, and has its own clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let raw = decode::<Raw>(token, &self.decoding, &validation).map_err(|_| Invalid)?.claims;
        let expires_at = seconds(&raw.exp).ok_or(Invalid)?;
        if expires_at <= now || !ids::is_name(&raw.sub) {
            return Err(Invalid);
        }
        let text = |value: Value, max: usize| match value {
            Value::String(s) if !s.trim().is_empty() && !s.contains('\0') => {
                Some(s.trim().chars().take(max).collect::<String>())
            }
            _ => None,
        };
        Ok(Claims {
            uid: raw.sub.into(),
            expires_at,
            issued_at: seconds(&raw.iat).unwrap_or(0),
            name: text(raw.name, NAME_MAX),
            avatar: text(raw.avatar, AVATAR_MAX)
                .filter(|url| url.starts_with("https://") || url.starts_with("http://")),
            shops: shops(&raw.shops),
            must_change_password: raw.must_change_password == Value::Bool(true),
        })
    }
}

/// A NumericDate (RFC 7519, section 2), fractions dropped.
fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|s| s.is_finite() && s.abs() < 1e15).map(|s| s.floor() as i64))
}

fn shops(value: &Value) -> Vec<(String, Role)> {
    let one = |entry: &Value| {
        let shop = entry.get("shop")?.as_str().filter(|shop| ids::is_name(shop))?;
        Some((shop.to_owned(), Role::parse(entry.get("role")?.as_str()?)?))
    };
    value.as_array().map(|entries| entries.iter().filter_map(one).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn signed(header: Header, claims: &Value) -> String {
        encode(&header, claims, &EncodingKey::from_secret(b"secret")).unwrap()
    }

    #[test]
    fn only_what_the_contract_allows_is_a_token() {
        let tokens = Tokens::new(&SecretString::from("secret"));
        let check = |claims: Value| tokens.verify(&signed(Header::default(), &claims), 1_000);
        assert_eq!(&*check(json!({"sub": "bob", "exp": 1_001, "aud": "x", "iss": 7})).unwrap().uid, "bob");
        assert_eq!(check(json!({"sub": "bob", "exp": 1_001.5})).unwrap().expires_at, 1_001);
        for bad in [
            json!({"sub": "bob"}),
            json!({"sub": "bob", "exp": 1_000}),
            json!({"sub": "bob", "exp": "2000"}),
            json!({"sub": "bob", "exp": null}),
            json!({"exp": 2_000}),
            json!({"sub": "b b", "exp": 2_000}),
            json!({"sub": "", "exp": 2_000}),
            json!({"sub": 7, "exp": 2_000}),
        ] {
            assert_eq!(check(bad.clone()), Err(Invalid), "{bad}");
        }
        let limited = tokens.verify(&tokens.mint_for_password("bob", 1_000, 60).unwrap(), 1_000).unwrap();
        let whole = tokens.verify(&tokens.mint("bob", None, 1_000, 60).unwrap(), 1_000).unwrap();
        assert_eq!((limited.must_change_password, whole.must_change_password), (true, false));
        let good = signed(Header::default(), &json!({"sub": "bob", "exp": 2_000}));
        assert!(tokens.verify(&good, 1_000).is_ok());
        assert!(Tokens::new(&SecretString::from("other")).verify(&good, 1_000).is_err());
    }
}
