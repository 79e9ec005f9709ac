//! Templates of modules: what they see, what they include, and that they end.

use keel_manifests::codes;
use keel_manifests::evaluation_error::EvalError;

use crate::support::site;

fn render_all(templates: &[(&str, &str)]) -> Result<String, EvalError> {
    let mut files = vec![(
        "inventory/hosts.toml".to_owned(),
        "[hosts.h-1]\nvars = { port = 80, names = ['b', 'a'], text = '{{ port }}' }\n".to_owned(),
    )];
    files.extend(templates.iter().map(|(path, text)| (format!("modules/web/templates/{path}"), (*text).to_owned())));
    files.push(("modules/other/templates/x.j2".to_owned(), "other".to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    site(&files).scope("h-1").unwrap().render("web", "main.j2").map(|value| value.to_string())
}

fn render(text: &str) -> Result<String, EvalError> {
    render_all(&[("main.j2", text)])
}

fn code(text: &str) -> &'static str {
    render(text).map_or_else(|error| error.code, |text| panic!("rendered {} bytes", text.len()))
}

#[test]
fn templates_render_as_ansible_does() {
    assert_eq!(
        render("{% for name in names | sort %}\nserver {{ name }}:{{ port }}\n{% endfor %}\nend\n").unwrap(),
        "server a:80\nserver b:80\nend\n"
    );
    assert_eq!(render("{# note #}{{ text }}{% set x = 1 %}\n{{ x }}\n").unwrap(), "801\n");
    assert_eq!(render("&<\"{{ '<b>&' }}").unwrap(), "&<\"<b>&", "no HTML escaping");
}

#[test]
fn includes_and_macros_stay_in_the_module() {
    let templates = [
        ("main.j2", "{% from 'parts/macros.j2' import server %}{% include 'parts/head.j2' %}{{ server('x') }}"),
        ("parts/macros.j2", "{% macro server(name) %}[{{ name }}:{{ port }}]{% endmacro %}"),
        ("parts/head.j2", "# {{ inventory_hostname }}\n"),
    ];
    assert_eq!(render_all(&templates).unwrap(), "# h-1\n[x:80]");
    for name in ["../../other/templates/x.j2", "/etc/shadow", "other:x.j2", "parts/../../x", "./main.j2", "missing.j2"] {
        let error = render(&format!("a\n{{% include '{name}' %}}")).unwrap_err();
        assert_eq!(error.code, codes::TEMPLATE_MISSING, "{name}");
        assert!(!error.message.contains("main.j2") || name == "./main.j2", "{name}: {}", error.message);
    }
    let error = render_all(&[("mian.j2", "")]).unwrap_err();
    assert_eq!((error.code, error.help[0].as_str()), (codes::TEMPLATE_MISSING, "did you mean `mian.j2`?"));
}

#[test]
fn errors_point_into_the_file() {
    let templates = [("main.j2", "ok\n{% include 'part.j2' %}"), ("part.j2", "line\nport {{ prot }}\n")];
    let error = render_all(&templates).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (codes::UNDEFINED, "`prot` is not defined"));
    assert_eq!(error.help[0], "did you mean `port`?");
    assert_eq!(&*error.places[0].file, "modules/web/templates/part.j2");
    assert_eq!(&templates[1].1[error.places[0].span.clone()], "prot");
    let error = render("{% for name in [{'port': 1}] %}{{ name.prot }}{% endfor %}").unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (codes::UNDEFINED, "`name.prot` is not defined"));
    let error = render("x\n{% if %}").unwrap_err();
    assert_eq!((error.code, &*error.places[0].file), (codes::EXPRESSION_SYNTAX, "modules/web/templates/main.j2"));
    let error = render("{{ names | regex_replace }}").unwrap_err();
    assert_eq!(error.places.len(), 1);
}

#[test]
fn templates_end() {
    assert_eq!(code("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), codes::LIMIT);
    assert_eq!(code("{% include 'main.j2' %}"), codes::LIMIT);
    assert_eq!(code("{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}"), codes::LIMIT);
    assert_eq!(code("{% for a in range(100001) %}{% endfor %}"), codes::EVALUATION);
    assert_eq!(code(&("{% if true %}".repeat(20_000) + &"{% endif %}".repeat(20_000))), codes::LIMIT);
    assert_eq!(code("{% for a in range(60000) %}{{ 'x' * 100 }}{% endfor %}"), codes::LIMIT);
    assert_eq!(code(&format!("{{% for a in range(60000) %}}{}{{% endfor %}}", "x".repeat(100))), codes::LIMIT);
}

#[test]
fn text_does_not_grow_without_end() {
    let doubling = "{% set a = a ~ a %}".repeat(40);
    assert_eq!(code(&format!("{{% set a = 'xx' %}}{doubling}done")), codes::LIMIT);
    assert_eq!(code(&format!("{{% set a = 'xx' %}}{}done", "{% set a = a + a %}".repeat(40))), codes::LIMIT);
    assert_eq!(code("{% set n = namespace(x='xx') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}done"), codes::LIMIT);
    let captured = "{% set a %}{{ a }}{{ a }}{% endset %}".repeat(40);
    assert_eq!(code(&format!("{{% set a = 'xx' %}}{captured}done")), codes::LIMIT);
    assert_eq!(render("{% set a = 'a' ~ 'b' %}{{ a + 'c' ~ 1 }}{{ 2 * 3 }}").unwrap(), "abc16");
}

#[test]
fn a_template_may_hold_a_private_use_character() {
    assert_eq!(render("\u{e0a0}{{ '\u{e000}' }}").unwrap(), "\u{e0a0}\u{e000}");
}

#[test]
fn long_chains_are_refused_before_they_overflow_the_stack() {
    let chain = format!("{{{{ port{} }}}}", " + port".repeat(100_000));
    let templates = [("main.j2", "{% include 'part.j2' %}"), ("part.j2", chain.as_str())];
    let error = render_all(&templates).unwrap_err();
    assert_eq!((error.code, &*error.places[0].file), (codes::LIMIT, "modules/web/templates/part.j2"));
    assert_eq!(&chain[error.places[0].span.clone()], "+");
    let elifs = format!("{{% if port == 1 %}}{}{{% endif %}}", "{% elif port == 2 %}".repeat(10_000));
    let error = render(&elifs).unwrap_err();
    assert_eq!((error.code, error.places.len()), (codes::LIMIT, 1), "{:?}", error.places);
    // What is just within the bound has room on the stack, with everything else that nests around it.
    let full = format!(
        "{{% if port == 1 %}}{}{{% endif %}}{{{{ {}port{} }}}}",
        "{% elif port == 2 %}".repeat(200),
        "(".repeat(70),
        " - 0 )".repeat(70)
    );
    assert_eq!(render(&full).unwrap(), "80");
    for (longest, value) in [(format!("{}port", "not ".repeat(199)), "False"), (format!("1{}", "**1".repeat(199)), "1")] {
        assert_eq!(render(&format!("{{{{ {longest} }}}}")).unwrap().to_lowercase(), value.to_lowercase());
    }
}
