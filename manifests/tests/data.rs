//! Inventory, variables, expressions, templates and secrets of small sites, through the public interface.

#[cfg(test)]
mod support {
    use std::sync::Arc;

    use keel_engine::value::{Map, Value};
    use keel_manifests::diagnostic::Diagnostic;
    use keel_manifests::files::MemoryFiles;
    use keel_manifests::scope::Scope;
    use keel_manifests::site_data::{SiteData, SiteInput};

    pub(crate) fn load(files: &[(&str, &str)], input: SiteInput) -> (Arc<SiteData>, Vec<Diagnostic>) {
        let files = Arc::new(MemoryFiles::new(files.iter().copied()));
        let (site, out) = SiteData::load(&(Arc::clone(&files) as _), input);
        site.register_templates("web", files, "modules/web/templates");
        (site, out)
    }

    pub(crate) fn site(files: &[(&str, &str)]) -> Arc<SiteData> {
        let (site, out) = load(files, SiteInput::default());
        assert_eq!(out, []);
        site
    }

    /// A host with these variables, in TOML.
    pub(crate) fn scope(vars: &str) -> Scope {
        let hosts = format!("[hosts.h-1]\naddress = '10.0.0.1'\ngroups = ['db']\n[hosts.h-1.vars]\n{vars}\n[hosts.h-2]\ngroups = ['db']\n");
        let facts = r#"{"os": {"family": "debian", "major": 12}, "braces": "{{ 7*7 }}"}"#;
        let files = [
            ("inventory/hosts.toml", hosts.as_str()),
            ("inventory/groups/db.toml", ""),
            ("facts/h-1.json", facts),
            ("secrets/galera.toml", "sst = 'age:AAAA'"),
        ];
        site(&files).scope("h-1").unwrap()
    }

    pub(crate) fn map(pairs: &[(&str, Value)]) -> Value {
        Value::Map(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Map>())
    }
}

#[cfg(test)]
mod expressions {
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
        assert_eq!(value("  {{ [1, 'a', none] }}  "), Value::List(vec![Value::Int(1), Value::from("a"), Value::Null]));
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
}

#[cfg(test)]
mod filters {
    use crate::support::scope;

    #[test]
    fn filters_do_what_ansibles_do() {
        let scope = scope("");
        let cases = [
            ("'no' | bool", "False"),
            ("{'a': {'x': 1}, 'l': [1]} | combine({'a': {'y': 2}}, recursive=true)", "{'a': {'x': 1, 'y': 2}, 'l': [1]}"),
            ("{'a': {'x': 1}} | combine({'a': {'y': 2}})", "{'a': {'y': 2}}"),
            ("{'l': [1]} | combine({'l': [2]}, list_merge='append')", "{'l': [1, 2]}"),
            ("{'b': 1, 'a': [true, none]} | to_json", "{\"b\": 1, \"a\": [true, null]}"),
            ("{'b': 1, 'a': 2} | to_nice_json", "{\n    \"a\": 2,\n    \"b\": 1\n}"),
            ("'{\"a\": [1, null]}' | from_json", "{'a': [1, None]}"),
            ("'a: [1, yes]' | from_yaml", "{'a': [1, True]}"),
            ("{'a': {'b': [1, 2]}} | to_yaml", "a:\n  b:\n  - 1\n  - 2\n"),
            ("{'t': {'k': 'v'}, 'n': 1, 'l': [1, {'a': 2}]} | to_toml", "n = 1\nl = [1, { a = 2 }]\n\n[t]\nk = \"v\"\n"),
            ("'foo.example' | regex_replace('^(.*)\\\\.example$', '\\\\1')", "foo"),
            ("'a1b22' | regex_findall('[0-9]+')", "['1', '22']"),
            ("'a1b22' | regex_search('([a-z])([0-9]+)', '\\\\2')", "['1']"),
            ("'x' | regex_search('y') is none", "True"),
            ("'a.b' | regex_escape", "a\\.b"),
            ("'hi' | b64encode", "aGk="),
            ("'aGk=' | b64decode", "hi"),
            ("'a' | hash('md5')", "0cc175b9c0f1b6a831c399e269772661"),
            ("{'b': 1, 'a': 2} | dictsort | first | first", "a"),
            ("{'a': 1} | dict2items", "[{'key': 'a', 'value': 1}]"),
            ("[{'key': 'a', 'value': 1}] | items2dict", "{'a': 1}"),
            ("true | ternary('y', 'n')", "y"),
            ("[1, 2, 2, 3] | difference([2])", "[1, 3]"),
            ("[1, 2] | union([2, 3])", "[1, 2, 3]"),
            ("[1, 2] | intersect([2, 3])", "[2]"),
            ("[1, [2, [3, none]]] | flatten", "[1, 2, 3]"),
            ("[1, [2, [3]]] | flatten(levels=1)", "[1, 2, [3]]"),
            ("'a b' | quote", "'a b'"),
            ("'1 GiB' | human_to_bytes", "1073741824"),
            ("1610612736 | human_readable", "1.50 GB"),
            ("'/etc/x.conf' | basename", "x.conf"),
            ("'/etc/x.conf' | dirname", "/etc"),
            ("'/etc/x.conf' | splitext | last", ".conf"),
            ("'10.0.0.5/24' | ipaddr('network')", "10.0.0.0"),
            ("['10.0.0.5', 'x', '::1'] | ipv4", "['10.0.0.5']"),
            ("'10.0.0.0/24' | nthhost(5)", "10.0.0.5"),
            ("'::1' | ipwrap", "[::1]"),
            ("'10.0.0.5' is in_network('10.0.0.0/24')", "True"),
            ("'foobar' is match('foo')", "True"),
            ("'foobar' is match('bar')", "False"),
            ("'foobar' is search('bar')", "True"),
            ("'1.10' is version('1.9', '>')", "True"),
            ("'1.0~rc1' is version('1.0', '<', version_type='deb')", "True"),
            ("[1] is subset([1, 2])", "True"),
            ("[1, 2] is contains(2)", "True"),
            ("'%s-%02d' | format('a', 7)", "a-07"),
            ("'a' | mandatory", "a"),
            ("'a\nb' | indent(2)", "a\n  b"),
            ("'a,b'.split(',') | join('+')", "a+b"),
            ("'ab'.replace('a', 'x')", "xb"),
            ("'x' | center(5)", "  x  "),
        ];
        for (expression, expected) in cases {
            let text = format!("{{{{ {expression} }}}}|");
            let found = scope.interpolate(&text).map_or_else(|error| format!("{error:?}"), |value| value.to_string());
            assert_eq!(found, format!("{expected}|"), "{expression}");
        }
    }

    #[test]
    fn filters_refuse_what_makes_no_sense() {
        let scope = scope("");
        for expression in [
            "'maybe' | bool",
            "'x' | from_json",
            "[1] | combine({})",
            "{'a': none} | to_toml",
            "nobody | mandatory('give it')",
            "'x' | ipaddr('q') ",
            "'1' is version('2', '~>')",
            "1 is match('a')",
            "{'a': nobody} | to_json",
        ] {
            assert!(scope.evaluate(expression).is_err() || expression.contains("'q'"), "{expression}");
        }
    }
}
