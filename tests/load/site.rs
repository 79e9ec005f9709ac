//! The site of the load test: hosts in groups with variables, and modules of the usual mixture.

use std::fmt::Write;

/// How many resources one module makes.
const PER_MODULE: usize = 50;

/// The files of a site in which every host has about so many resources.
pub fn files(hosts: &[String], resources: usize) -> Vec<(String, String)> {
    let modules = resources.div_ceil(PER_MODULE).max(1);
    let mut files = vec![
        ("keel.toml".to_owned(), "name = \"load\"\n".to_owned()),
        ("inventory/hosts.toml".to_owned(), inventory(hosts)),
        ("inventory/groups/all.toml".to_owned(), all()),
        ("inventory/groups/ams.toml".to_owned(), "tier = \"idc\"\n[vars]\nsite = \"ams\"\nresolver = \"10.1.0.53\"\n".to_owned()),
        ("inventory/groups/fra.toml".to_owned(), "tier = \"idc\"\n[vars]\nsite = \"fra\"\nresolver = \"10.2.0.53\"\n".to_owned()),
        ("manifests/site.kdl".to_owned(), root(modules)),
    ];
    for number in 0..modules {
        files.push((format!("modules/app{number}/module.kdl"), module(number)));
        files.push((format!("modules/app{number}/templates/app.conf.j2"), TEMPLATE.to_owned()));
        files.push((format!("modules/app{number}/files/motd"), format!("application {number}\n")));
    }
    files
}

fn inventory(hosts: &[String]) -> String {
    let mut text = String::new();
    for (number, host) in hosts.iter().enumerate() {
        let group = if number % 2 == 0 { "ams" } else { "fra" };
        let (high, low) = (number / 250, number % 250 + 1);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "[hosts.{host}]\naddress = \"10.{group_number}.{high}.{low}\"\ngroups = [\"{group}\"]",
            group_number = number % 2 + 1
        );
    }
    text
}

fn all() -> String {
    String::from(
        "[vars]\nword = \"load\"\nworkers = \"{{ facts.cpus * 2 }}\"\nlisten = \"{{ host.address }}:8080\"\n\
         [vars.limits]\nfiles = 4096\nprocesses = 512\n",
    )
}

fn root(modules: usize) -> String {
    let mut text = String::from("group all {\n");
    for number in 0..modules {
        let _ = writeln!(text, "    use app{number} port={}", 9000 + number);
    }
    text.push_str("}\n");
    text
}

/// Two packages, one user and group, one service, templates, texts, settings and lines, with relations.
fn module(number: usize) -> String {
    format!(
        r##"module app{number} {{
    param (int)port
    let home="/srv/app{number}"

    package app{number} app{number}-tools
    group app{number} gid={gid}
    user app{number} uid={gid} gid=app{number} home="{{{{ home }}}}"
    file "{{{{ home }}}}" ensure=directory owner=app{number} mode="0750" {{
        require (user)app{number}
    }}
    defaults {{
        file owner=root group=root mode="0644"
    }}
    for i in="range(14)" {{
        file "{{{{ home }}}}/conf.d/{{{{ i }}}}.conf" {{
            template "app.conf.j2"
            notify (service)app{number}
        }}
    }}
    for i in="range(12)" {{
        file "{{{{ home }}}}/env/{{{{ i }}}}" content="SITE={{{{ site }}}} WORKERS={{{{ workers }}}} PORT={{{{ port + i }}}}\n" {{
            require (package)app{number}
        }}
    }}
    for name in="['motd', 'issue', 'banner']" {{
        file "{{{{ home }}}}/{{{{ name }}}}" {{
            source "motd"
        }}
    }}
    ini "{{{{ home }}}}/app.ini" {{
        section DEFAULT {{
            listen "{{{{ listen }}}}"
            workers "{{{{ workers }}}}"
            resolver "{{{{ resolver }}}}"
            debug #false
        }}
        section limits {{
            files "{{{{ limits.files }}}}"
            processes "{{{{ limits.processes }}}}"
        }}
    }}
    for i in="range(13)" {{
        line "app{number} limit {{{{ i }}}}" path="/etc/security/limits.d/app{number}.conf" line="app{number} - {{{{ i }}}} {{{{ limits.files * (i + 1) }}}}" create=#true
    }}
    service app{number} ensure=running enable=#true {{
        require (package)app{number}
    }}
}}
"##,
        gid = 3000 + number
    )
}

const TEMPLATE: &str = "# {{ host.name }}, {{ word }}\n[server]\nlisten = {{ listen }}\nport = {{ port + i }}\n\
{% for n in range(4) %}worker.{{ n }} = {{ site }}-{{ n }}-{{ facts.os.family }}\n{% endfor %}\
{% if workers > 4 %}large = true\n{% else %}large = false\n{% endif %}resolver = {{ resolver }}\n";

/// What a simulated host says of itself.
pub fn facts(number: usize) -> String {
    format!(
        r#"{{"cpus": {}, "hostname": "node{number}", "kernel": "6.1.0-{}", "memory_mib": 4096, "os": {{"family": "debian", "id": "debian", "name": "Debian GNU/Linux 12 (bookworm)", "version": "12"}}}}"#,
        number % 8 + 1,
        number % 3
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_modules_as_it_takes_and_all_hosts() {
        let hosts = ["a".to_owned(), "b".to_owned()];
        let site = files(&hosts, 500);
        assert_eq!(site.iter().filter(|(path, _)| path.ends_with("module.kdl")).count(), 10);
        assert!(site[1].1.contains("[hosts.b]"));
    }
}
