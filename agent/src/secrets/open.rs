//! Opening: the closed texts of a catalog become secrets in memory, just before a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use age::x25519::Identity;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keel_engine::catalog::Resource;
use keel_engine::secret::{Sealed, SealedPart, Secret, SecretFilter, SecretRef};
use keel_engine::value::{Map, Value};

use crate::error::{Error, Result};

/// The means to open a site's secrets.
pub struct Opener {
    /// Keys.
    pub identities: Vec<Identity>,
    /// Closed texts by path.
    pub closed: BTreeMap<String, String>,
}

impl Opener {
    /// Copies resources with every closed text opened.
    ///
    /// # Errors
    /// A secret that no key opens; it is named by its path, and the resource that needs it.
    pub fn open_all(&self, resources: &[Resource]) -> Result<Vec<Resource>> {
        resources.iter().map(|resource| self.open_resource(resource)).collect()
    }

    fn open_resource(&self, resource: &Resource) -> Result<Resource> {
        let mut opened = resource.clone();
        if resource.attributes.values().any(Value::has_secret) {
            self.open_map(Arc::make_mut(&mut opened.attributes)).map_err(|message| {
                Error::host(format!("{}: {message}", resource.address)).hint("name the right key file in KEEL_IDENTITY")
            })?;
        }
        Ok(opened)
    }

    fn open_value(&self, value: &mut Value) -> std::result::Result<(), String> {
        match value {
            Value::Sealed(sealed) => *value = Value::Secret(self.open_text(sealed)?),
            Value::List(items) => items.iter_mut().try_for_each(|item| self.open_value(item))?,
            Value::Map(map) => self.open_map(map)?,
            _ => {}
        }
        Ok(())
    }

    fn open_map(&self, map: &mut Map) -> std::result::Result<(), String> {
        map.values_mut().try_for_each(|value| self.open_value(value))
    }

    fn open_text(&self, sealed: &Sealed) -> std::result::Result<Secret, String> {
        let mut text = String::new();
        for part in &sealed.parts {
            match part {
                SealedPart::Text(plain) => text.push_str(plain),
                SealedPart::Secret(secret) => text.push_str(&self.open_secret(secret)?),
            }
        }
        Ok(Secret::new(text))
    }

    fn open_secret(&self, secret: &SecretRef) -> std::result::Result<String, String> {
        let closed = self.closed.get(&secret.path).ok_or_else(|| format!("the site has no secret {}", secret.path))?;
        let opened = super::identity::open(&self.identities, closed).map_err(|why| format!("cannot open secret {}: {why}", secret.path))?;
        let text = opened.reveal_secret_text().to_owned();
        Ok(secret.filters.iter().fold(text, |text, filter| filtered(*filter, &text)))
    }
}

/// Whether anything in the resources is closed.
pub fn has_sealed(resources: &[Resource]) -> bool {
    resources.iter().any(|resource| resource.attributes.values().any(Value::has_secret))
}

fn filtered(filter: SecretFilter, text: &str) -> String {
    match filter {
        SecretFilter::Base64 => STANDARD.encode(text),
        SecretFilter::UrlEncode => text.bytes().map(url_byte).collect(),
        SecretFilter::Json => serde_json::Value::from(text).to_string(),
        SecretFilter::ShellQuote => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

fn url_byte(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_run_on_the_opened_text() {
        let identity = Identity::generate();
        let closed = crate::secrets::identity::close(&[identity.to_public()], &Secret::new("it's p@ss/".to_owned())).unwrap();
        let opener = Opener { identities: vec![identity], closed: BTreeMap::from([("a/b".to_owned(), closed)]) };
        let open = |filters: Vec<SecretFilter>| {
            let secret = SecretRef { path: "a/b".to_owned(), fingerprint: String::new(), filters };
            let parts = vec![SealedPart::Text("x=".to_owned()), SealedPart::Secret(secret)];
            opener.open_text(&Sealed { parts }).unwrap().reveal_secret_text().to_owned()
        };
        assert_eq!(open(vec![]), "x=it's p@ss/");
        assert_eq!(open(vec![SecretFilter::UrlEncode]), "x=it%27s%20p%40ss%2F");
        assert_eq!(open(vec![SecretFilter::ShellQuote]), "x='it'\\''s p@ss/'");
        assert_eq!(open(vec![SecretFilter::Json]), "x=\"it's p@ss/\"");
        assert_eq!(open(vec![SecretFilter::Base64]), "x=aXQncyBwQHNzLw==");
    }
}
