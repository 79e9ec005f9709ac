//! Base64, hashes and identifiers derived from text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keel_engine::secret::SecretFilter;
use md5::Digest;
use minijinja::{Environment, Error, Value};

use super::{add, add_for_secrets, refuse};

/// The namespace that Ansible's `to_uuid` uses.
const ANSIBLE_NAMESPACE: &str = "361E6D51-FAEC-444A-9079-341386DA8E2E";

pub(super) fn register(environment: &mut Environment<'static>) {
    add_for_secrets(environment, "b64encode", SecretFilter::Base64, |text: String| STANDARD.encode(text));
    add(environment, "b64decode", b64decode);
    add(environment, "hash", |text: String, algorithm: Option<&str>| hash(&text, algorithm.unwrap_or("sha1")));
    add(environment, "checksum", |text: String| hash(&text, "sha1"));
    add(environment, "md5", |text: String| hash(&text, "md5"));
    add(environment, "sha1", |text: String| hash(&text, "sha1"));
    add(environment, "to_uuid", to_uuid);
}

fn b64decode(text: &str) -> Result<Value, Error> {
    let compact: String = text.split_whitespace().collect();
    let bytes = STANDARD.decode(compact).map_err(|error| refuse(format!("this is not base64: {error}")))?;
    String::from_utf8(bytes).map(Value::from).map_err(|_| refuse("the decoded bytes are not UTF-8 text"))
}

fn hash(text: &str, algorithm: &str) -> Result<String, Error> {
    let bytes = text.as_bytes();
    Ok(match algorithm {
        "md5" => hex(&md5::Md5::digest(bytes)),
        "sha1" => hex(&sha1::Sha1::digest(bytes)),
        "sha224" => hex(&sha2::Sha224::digest(bytes)),
        "sha256" => hex(&sha2::Sha256::digest(bytes)),
        "sha384" => hex(&sha2::Sha384::digest(bytes)),
        "sha512" => hex(&sha2::Sha512::digest(bytes)),
        "blake3" => blake3::hash(bytes).to_hex().to_string(),
        other => {
            return Err(refuse(format!("there is no hash `{other}`; there are md5, sha1, sha224, sha256, sha384, sha512 and blake3")));
        }
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An identifier that is the same for the same text: UUID version 5.
fn to_uuid(text: String, namespace: Option<&str>) -> Result<String, Error> {
    let namespace = namespace.unwrap_or(ANSIBLE_NAMESPACE);
    let digits: String = namespace.chars().filter(|character| *character != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32);
    let number = number.ok_or_else(|| refuse(format!("`{namespace}` is not a UUID")))?;
    let mut hasher = sha1::Sha1::new();
    hasher.update(number.to_be_bytes());
    hasher.update(text.as_bytes());
    let hashed = hex(&hasher.finalize());
    let hashed = u128::from_str_radix(hashed.get(..32).unwrap_or_default(), 16).unwrap_or_default();
    let version = (hashed & !(0xf << 76) & !(0x3 << 62)) | (5 << 76) | (2 << 62);
    let text = format!("{version:032x}");
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_known_ones() {
        assert_eq!(hash("abc", "md5").unwrap(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hash("abc", "sha1").unwrap(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(hash("abc", "sha256").unwrap().starts_with("ba7816bf8f01cfea414140de5dae2223"));
        assert!(hash("abc", "crc").is_err());
    }

    #[test]
    fn identifiers_are_version_five() {
        // Python: uuid.uuid5(uuid.NAMESPACE_DNS, 'python.org')
        let dns = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        assert_eq!(to_uuid("python.org".into(), Some(dns)).unwrap(), "886313e1-3b8a-5372-9b90-0c9aee199e5d");
        assert!(to_uuid("x".into(), Some("zz")).is_err());
    }

    #[test]
    fn base64_goes_both_ways() {
        assert_eq!(b64decode("aMOp\n").unwrap().as_str(), Some("hé"));
        assert!(b64decode("%%%").is_err());
        assert!(b64decode("//8=").is_err());
    }
}
