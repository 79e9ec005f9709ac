//! Filters and tests by their results.

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
