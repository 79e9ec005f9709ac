//! Secrets in expressions and templates: sealed, whole, and never seen.

use keel_engine::secret::{SealedPart, SecretFilter};
use keel_engine::value::Value;
use keel_manifests::codes;
use keel_manifests::scope::Scope;

use crate::support::{scope, site};

fn parts(value: &Value) -> String {
    let Value::Sealed(sealed) = value else { panic!("{value:?}") };
    let part = |part: &SealedPart| match part {
        SealedPart::Text(text) => text.clone(),
        SealedPart::Secret(secret) => format!("<{}{:?}>", secret.path, secret.filters),
    };
    sealed.parts.iter().map(part).collect()
}

fn sealed(scope: &Scope, text: &str) -> String {
    parts(&scope.interpolate(text).unwrap_or_else(|error| panic!("{text}: {error:?}")))
}

#[test]
fn secrets_go_whole_into_values_and_texts() {
    let scope = scope("password = \"{{ secret('galera/sst') }}\"\nurl = 'amqp://x:{{ password | urlencode }}@h'\n");
    assert_eq!(parts(&scope.secret("galera/sst").unwrap()), "<galera/sst[]>");
    assert_eq!(sealed(&scope, "{{ password }}"), "<galera/sst[]>");
    assert_eq!(sealed(&scope, "p={{ password }};"), "p=<galera/sst[]>;");
    assert_eq!(sealed(&scope, "{{ url }}/"), "amqp://x:<galera/sst[UrlEncode]>@h/");
    assert_eq!(sealed(&scope, "{{ password | b64encode | quote }}"), "<galera/sst[Base64, ShellQuote]>");
    assert_eq!(sealed(&scope, "{{ {'p': password, 'n': 1} | to_json }}"), "{\"p\": <galera/sst[Json]>, \"n\": 1}");
    assert_eq!(sealed(&scope, "{{ {'p': password} | to_yaml }}"), "p: <galera/sst[Json]>\n");
    assert_eq!(sealed(&scope, "{{ {'p': password} | to_toml }}"), "p = <galera/sst[Json]>\n");
    assert_eq!(sealed(&scope, "{{ ['a', password] | join(':') }}"), "a:<galera/sst[]>");
    assert_eq!(sealed(&scope, "{{ nobody | default(password) }}"), "<galera/sst[]>");
    let list = scope.evaluate("[password, 1]").unwrap();
    assert!(list.has_secret());
    let inner = scope.child([("given".to_owned(), scope.interpolate("{{ url }}").unwrap())]);
    assert_eq!(sealed(&inner, "{{ given }}"), "amqp://x:<galera/sst[UrlEncode]>@h", "through a parameter");
}

#[test]
fn operations_that_need_the_text_are_errors() {
    let scope = scope("password = \"{{ secret('galera/sst') }}\"\n");
    for expression in [
        "password | upper",
        "('x' ~ password) | lower",
        "password | length",
        "password | hash('sha256')",
        "password | replace('a', 'b')",
        "password | regex_replace('a', 'b')",
        "('x' ~ password)[0:9]",
        "('' ~ password).upper()",
        "password | b64decode",
        "('x' ~ password) | b64encode",
        "('x' ~ password) | to_json",
        "{'a': 'x' ~ password} | to_yaml",
        "password is match('a')",
        "password | int",
        "password | truncate(length=3)",
    ] {
        let error = scope
            .interpolate(&format!("{{{{ {expression} }}}}!"))
            .map_or_else(|error| error, |value| panic!("{expression}: {}", parts(&value)));
        assert_eq!(error.code, codes::SECRET_FILTER, "{expression}: {error:?}");
    }
}

#[test]
fn unknown_secrets_are_errors_with_the_nearest_names() {
    let scope = scope("");
    let error = scope.evaluate("secret('galera/ssst')").unwrap_err();
    assert_eq!((error.code, error.help[0].as_str()), (codes::SECRET_UNKNOWN, "did you mean `galera/sst`?"));
    assert_eq!(scope.secret("x").unwrap_err().code, codes::SECRET_UNKNOWN);
}

#[test]
fn the_fingerprint_follows_the_encrypted_value() {
    let reference = |text: &str| {
        let site = site(&[("inventory/hosts.toml", "[hosts.a]\n"), ("secrets/x.toml", text)]);
        site.secrets.reference("x/y").unwrap()
    };
    assert_ne!(reference("y = 'age:AA'").fingerprint, reference("y = 'age:AB'").fingerprint);
    assert_eq!(reference("y = 'age:AA'"), reference("# note\ny = 'age:AA'"));
    assert_eq!(reference("y = 'age:AA'").filters, [] as [SecretFilter; 0]);
}
