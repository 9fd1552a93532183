//! HS256 for `jsonwebtoken`, so that no RSA or elliptic curve crate is compiled (RUSTSEC-2023-0071 is in one of them).
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use sha2::Sha256;
use signature::{Error, Signer, Verifier};

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(alg: Algorithm, family: AlgorithmFamily, key: &[u8]) -> Result<Self> {
        if alg != Algorithm::HS256 || family != AlgorithmFamily::Hmac {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Hmac::new_from_slice(key).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}
impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, msg: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(self.0.clone().chain_update(msg).finalize().into_bytes().to_vec())
    }
}
impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, msg: &[u8], sig: &Vec<u8>) -> std::result::Result<(), Error> {
        self.0.clone().chain_update(msg).verify_slice(sig).map_err(|_| Error::new())
    }
}
impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

fn signer(alg: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    Ok(Box::new(Hs256::new(*alg, key.family(), key.as_bytes())?))
}
fn verifier(alg: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    Ok(Box::new(Hs256::new(*alg, key.family(), key.try_get_as_bytes()?)?))
}

/// Call once, before the first token.
pub(super) fn install() {
    static HS256: CryptoProvider =
        CryptoProvider { signer_factory: signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };
    let _ = HS256.install_default();
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};

    #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
    struct Claims {
        sub: String,
        exp: u64,
    }

    #[test]
    fn only_good_hs256_tokens_pass() {
        super::install();
        let claims = Claims { sub: "a".into(), exp: 4_000_000_000 };
        let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(b"k")).unwrap();
        let read = |token: &str, key: &[u8]| {
            decode::<Claims>(token, &DecodingKey::from_secret(key), &Validation::default()).map(|data| data.claims)
        };
        assert_eq!(read(&token, b"k").unwrap(), claims);
        assert!(read(&token, b"other").is_err());
        assert!(read(&format!("{token}x"), b"k").is_err());
        let (_, rest) = token.split_once('.').unwrap();
        assert!(read(&format!("eyJhbGciOiJub25lIn0.{rest}"), b"k").is_err(), "alg none");
        assert!(encode(&Header::new(Algorithm::HS512), &claims, &EncodingKey::from_secret(b"k")).is_err());
    }

    #[test]
    fn the_example_of_rfc_7515_appendix_a_1() {
        super::install();
        let key =
            concat!("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjA", "zZr1Z9CAow==");
        let signed = concat!(
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0",
            "dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        );
        let key = DecodingKey::from_base64_secret(key).unwrap();
        let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, Algorithm::HS256).unwrap());
    }
}
