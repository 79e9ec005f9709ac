//! Expressions and interpolated texts.

use keel_engine::value::Value;
use keel_manifests::codes;

use crate::support::{map, scope};

fn value(text: &str) -> Value {
    scope("").interpolate(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn code(text: &str) -> &'static str {
    scope("").interpolate(text).map_or_else(|error| error.code, |value| panic!("{text}: {value:?}"))
}

#[test]
fn a_whole_expression_keeps_its_type() {
    assert_eq!(value("{{ 1 + 1 }}"), Value::Int(2));
    assert_eq!(value("{{ [1, 'a', none] }}"), Value::List(vec![Value::Int(1), Value::from("a"), Value::Null]));
    assert_eq!(value("{{ 'a' }}\n"), Value::from("a\n"), "a line's end is no part of the expression");
    assert_eq!(value(" {{ 1 }} "), Value::from(" 1 "));
    assert_eq!(value("{{ {'z': 1, 'a': true} }}"), map(&[("z", Value::Int(1)), ("a", Value::Bool(true))]));
    assert_eq!(value("{{- 1 -}}"), Value::Int(1));
    assert_eq!(value("{{ 1 }}{{ 2 }}"), Value::from("12"));
    assert_eq!(value("{{ '}} {{' }}"), Value::from("}} {{"));
    assert_eq!(value("a {{ true }} b\n"), Value::from("a True b\n"));
    assert_eq!(value("{% if %} ${#list} {# x"), Value::from("{% if %} ${#list} {# x"));
    assert_eq!(value("{{ 1 }} ${#list} {% x"), Value::from("1 ${#list} {% x"));
}

#[test]
fn undefined_is_an_error_everywhere_but_where_it_is_asked_for() {
    for text in [
        "{{ nobody }}",
        "x{{ nobody }}",
        "{{ nobody.x }}",
        "{{ facts.os.famly }}",
        "{{ [nobody] }}",
        "{{ nobody == 1 }}",
        "{{ none.x }}",
        "{{ nobody | upper }}",
    ] {
        assert_eq!(code(text), codes::UNDEFINED, "{text}");
    }
    assert_eq!(value("{{ nobody | default('x') }}"), Value::from("x"));
    assert_eq!(value("{{ nobody is defined }}"), Value::Bool(false));
    let error = scope("").evaluate("facts.os.famly").unwrap_err();
    assert_eq!((error.message.as_str(), error.help[0].as_str()), ("`facts.os` has no `famly`", "did you mean `family`?"));
    let error = scope("").interpolate("ab {{ fatcs.os }} c").unwrap_err();
    assert_eq!(error.message, "`fatcs` is not defined");
    assert_eq!(error.help[0], "did you mean `facts`?");
    assert!(error.range.unwrap().start >= 6, "inside the braces");
}

#[test]
fn conditions_are_bools() {
    let scope = scope("");
    assert_eq!(scope.evaluate_bool("facts.os.family == 'debian' and facts.os.major >= 12"), Ok(true));
    for text in ["1", "'yes'", "[]", "none", "facts"] {
        assert_eq!(scope.evaluate_bool(text).unwrap_err().code, codes::NOT_BOOL, "{text}");
    }
}

#[test]
fn numbers_keep_their_range() {
    assert_eq!(value("{{ 9223372036854775807 }}"), Value::Int(i64::MAX));
    for text in ["{{ 9223372036854775807 + 1 }}", "{{ 2 ** 70 }}", "{{ 'nan' | float }}", "{{ 'inf' | float }}"] {
        assert_eq!(code(text), codes::NUMBER_RANGE, "{text}");
    }
}

#[test]
fn everything_has_an_end() {
    assert_eq!(code("{{ 'x' * 2000000 }}y"), codes::LIMIT);
    assert_eq!(code("{{ range(100001) }}"), codes::EVALUATION);
    assert_eq!(code("{{ ('a' * 100000) | replace('a', 'b' * 100000) }}"), codes::LIMIT);
    assert_eq!(code(&format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000))), codes::LIMIT);
    assert_eq!(code(&format!("{{{{ {} }}}}", "[".repeat(200) + &"]".repeat(200))), codes::LIMIT);
    assert_eq!(code("{{ 'aaaaaaaa' | regex_search('(a{1000}){1000}') }}"), codes::EVALUATION);
    assert_eq!(code("{{ none }}!"), codes::EVALUATION);
    assert_eq!(code("{{ 1 + }}"), codes::EXPRESSION_SYNTAX);
    assert_eq!(code("{{ 1 | nofilter }}"), codes::UNKNOWN_FILTER);
}

#[test]
fn what_is_not_reproducible_is_refused_with_a_replacement() {
    for text in [
        "{{ now() }}",
        "{{ lookup('env', 'HOME') }}",
        "{{ env('HOME') }}",
        "{{ [1] | random }}",
        "{{ 'x' | password_hash }}",
        "{{ '*' | fileglob }}",
    ] {
        let error = scope("").interpolate(text).unwrap_err();
        assert_eq!((error.code, error.help.len()), (codes::REFUSED_FUNCTION, 1), "{text}");
    }
}

#[test]
fn the_inventory_is_at_hand() {
    let scope = scope("port = 3306");
    for (text, expected) in [
        ("{{ host.name }} {{ host.address }} {{ inventory_hostname }}", "h-1 10.0.0.1 h-1"),
        ("{{ groups.db.hosts | map(attribute='name') | join(',') }}", "h-1,h-2"),
        ("{{ groups.db.hosts | join(' ') }}", "h-1 h-2"),
        ("{{ groups.db.hosts[0].vars.port }}", "3306"),
        ("{{ hosts['h-2'].name }}{{ 'db' in host.groups }}", "h-2True"),
        ("{{ facts.braces }}!", "{{ 7*7 }}!"),
    ] {
        assert_eq!(scope.interpolate(text).map(|value| value.to_string()).unwrap_or_else(|error| error.message), expected, "{text}");
    }
    let first = scope.evaluate("groups.db.hosts[0]").unwrap();
    let Value::Map(first) = first else { panic!("{first:?}") };
    assert_eq!(first.get("name"), Some(&Value::from("h-1")));
}

#[test]
fn local_names_lie_over_the_hosts() {
    let scope = scope("x = 'host'");
    let inner = scope.child([("x".to_owned(), Value::from("local")), ("y".to_owned(), Value::Int(1))]);
    assert_eq!(inner.evaluate("x ~ y"), Ok(Value::from("local1")));
    assert_eq!(inner.child([("y".to_owned(), Value::Int(2))]).evaluate("x ~ y"), Ok(Value::from("local2")));
    assert_eq!(inner.bare().evaluate("x"), Ok(Value::from("host")));
    let members = scope.evaluate_local("groups.db.hosts").unwrap();
    let inner = scope.child_locals([("members".to_owned(), members)]);
    assert_eq!(inner.evaluate("members[0].vars.x"), Ok(Value::from("host")), "hosts still know their variables");
    assert!(inner.names().contains(&"members".to_owned()) && inner.names().contains(&"x".to_owned()));
}

#[test]
fn undefined_values_do_not_slip_through_lists_filters_and_functions() {
    let scope = crate::support::scope("port = 80\ntable = { a = 1 }");
    for text in [
        "x{{ [nope] }}",
        "x{{ {'a': nope} }}",
        "x{{ [{'a': 1}] | map(attribute='b') | list }}",
        "x{{ 'abc' | replace('a', nope) }}",
        "x{{ [{'a': 1}] | sort(attribute='b') }}",
        "x{{ [{'a': 1}] | sum(attribute='b') }}",
        "x{{ [{'a': 1}] | groupby('b') }}",
        "x{{ q }}",
        "x{{ [range] }}",
    ] {
        assert_eq!(scope.interpolate(text).map_err(|error| error.code), Err("KE0502"), "{text}");
    }
    for text in ["x{{ [{'a': 1}] | map(attribute='b', default=2) | list }}", "x{{ nope | default('y') }}{{ table.b | d(port) }}"] {
        assert!(scope.interpolate(text).is_ok(), "{text}");
    }
    for condition in ["nope == 1", "not nope", "nope | mandatory", "1 in [nope]", "nope | length > 0"] {
        let error = scope.evaluate_bool(condition).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), ("KE0502", "`nope` is not defined"), "{condition}");
    }
    assert!(scope.evaluate_bool("nope is not defined and (table).a == 1 and 'a' in table and not (port == 81)").unwrap());
}

#[test]
fn secrets_are_not_compared() {
    let scope = crate::support::scope("s = \"{{ secret('galera/sst') }}\"\ntext = \"a {{ s }}\"");
    for source in
        ["s == 'x'", "'same' if s == 'C' else 'd'", "'CAN' in s", "text == 'x'", "s in ['x']", "'x' in [s]", "s is eq 'x'", "'a' < s < 'z'"]
    {
        assert_eq!(scope.evaluate(source).map_err(|error| error.code), Err("KE0602"), "{source}");
    }
}
