//! Words that people bring along from Puppet and Ansible, with what says the same here. They are only ever
//! advice in an error: an attribute has one name.

use keel_engine::value::Value;

/// An attribute of a type under other names.
#[derive(Debug, Clone, Copy)]
pub struct ForeignWord {
    /// The type; empty for what holds of all types.
    pub type_name: &'static str,
    /// How it is called elsewhere.
    pub foreign: &'static [&'static str],
    /// The attribute here; none where another way leads there.
    pub here: Option<&'static str>,
    /// What to do; empty where the attribute's name says it all.
    pub help: &'static str,
}

macro_rules! words {
    ($($type_name:literal: { $([$($foreign:literal),+] => $here:tt $help:literal;)* })*) => {
        &[$($(ForeignWord { type_name: $type_name, foreign: &[$($foreign),+], here: words!(@here $here), help: $help },)*)*]
    };
    (@here none) => { None };
    (@here $here:literal) => { Some($here) };
}

/// All words, those of a type first.
const WORDS: &[ForeignWord] = words! {
    "file": {
        ["src"] => "source" "";
        ["link", "link_target"] => "target" "";
        ["state"] => "ensure" "`file`, `directory`, `link` or `absent`";
        ["follow", "links_follow"] => "links" "";
        ["remote_src"] => none "a `source` that begins with `/` is a file of the host";
        ["validate_cmd"] => "validate" "";
        ["recursive"] => "recurse" "";
        ["checksum", "checksum_value"] => none "contents are always compared as a whole";
        ["attributes", "seltype", "seluser", "selrole", "selrange", "selinux_ignore_defaults"] => none "what a file has of these stays as it is";
        ["source_permissions"] => none "owner, group and mode are attributes of their own";
        ["validate_replacement"] => "validate" "`%` stands for the new file's path";
        ["max_files"] => "purge_max" "";
        ["directory_mode", "dmode", "fmode"] => "mode" "folders get the search bit where the mode has the read bit";
        ["lines", "block"] => "content" "the types `line` and `block` write parts of a file";
    }
    "service": {
        ["state", "status"] => "ensure" "`running` or `stopped`";
        ["enabled", "onboot"] => "enable" "`#true`, `#false` or `mask`";
        ["masked"] => "enable" "`enable=mask`";
        ["restarted", "restart", "reload", "start", "stop", "hasrestart", "hasstatus", "pattern", "use"] => none "systemd knows how; `notify` and `subscribe` restart or reload it";
        ["daemon_reload"] => none "systemd reads changed unit files again before anything is started";
        ["sleep", "arguments", "args", "runlevel", "manifest", "control", "binary", "logonaccount"] => none "write it into the unit, with a `systemd_unit`";
    }
    "package": {
        ["state"] => "ensure" "`present`, `latest`, `absent` or `purged`";
        ["mark"] => "hold" "`hold=#true`";
        ["configfiles"] => "config" "`keep` or `replace`";
        ["install_recommends"] => "recommends" "";
        ["default_release", "target_release"] => "install_options" "`install_options \"-t\" \"bookworm-backports\"`";
        ["purge"] => "ensure" "`ensure=purged`";
        ["allow_downgrade"] => "downgrade" "";
        ["update_cache", "cache_valid_time"] => none "package lists are fetched when a package is missing from them";
        ["pkg", "package"] => none "the titles are the names: `package nginx curl`";
        ["deb"] => "source" "";
        ["responsefile"] => none "the type `debconf` answers a package's questions before it asks";
        ["uninstall_options", "reinstall_on_refresh", "force", "autoremove", "upgrade", "dpkg_options"] => none "";
    }
    "apt_repository": {
        ["repo", "location", "url", "uri"] => "uris" "";
        ["release", "codename", "dist"] => "suites" "";
        ["repos"] => "components" "";
        ["key", "gpgkey"] => "source" "a file of the module's `files/`; `signed_by` for a key on the host";
        ["keyring"] => "signed_by" "";
        ["architecture", "arch"] => "architectures" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "debconf": {
        ["vtype"] => "type" "";
        ["answer"] => "value" "";
        ["item", "setting"] => "question" "";
    }
    "systemd_unit": {
        ["unit"] => "name" "";
        ["daemon_reload"] => none "systemd reads its files again once, when a unit has changed";
        ["enable", "active", "enabled", "state"] => none "whether it runs and is enabled is for a `service`";
    }
    "key_value": {
        ["variable", "key", "setting", "settings", "line"] => "values" "`values { NAME \"value\"; }`";
        ["value"] => "values" "`values { NAME \"value\"; }`";
        ["key_val_separator"] => "separator" "";
        ["quoted"] => "quote" "";
        ["array_append", "array_type"] => "list" "";
        ["target", "dest"] => "path" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "certificate": {
        ["path", "crt_path", "cert", "cert_path"] => "certificate" "";
        ["privatekey_path", "private_key", "key_path"] => "key" "";
        ["subject_alt_name", "altnames", "alt_names", "dns_names"] => "names" "";
        ["common_name", "commonname", "cn"] => "name" "";
        ["ownca_path", "ca", "cacert"] => "ca_certificate" "";
        ["ownca_privatekey_path", "cakey"] => "ca_key" "";
        ["days", "valid_in", "not_after", "ownca_not_after", "selfsigned_not_after"] => "valid_for" "`valid_for=\"365d\"`";
        ["remaining_days", "renew_days_remaining", "renew_days_before_expiry"] => "renew_before" "`renew_before=\"30d\"`";
        ["is_ca", "basic_constraints"] => "authority" "";
        ["key_usage", "extended_key_usage"] => "usage" "`server` or `client`";
        ["owner"] => "key_owner" "";
        ["group"] => "key_group" "";
        ["mode"] => "key_mode" "";
        ["key_size", "key_type", "type", "size"] => "algorithm" "";
        ["csr_path", "csr_content", "provider", "privatekey_passphrase", "password"] => none "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "xml_value": {
        ["xpath", "attribute", "value", "changes", "add_children", "set_children", "content"] => "values" "`values { \"/server/@port\" 80; }`";
        ["target", "dest", "incl"] => "path" "";
        ["namespaces", "pretty_print", "lens", "context"] => none "names stand as they do in the file, with their prefixes";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "pip": {
        ["virtualenv"] => "venv" "";
        ["virtualenv_python", "virtualenv_command", "executable"] => "python" "";
        ["index_url"] => "index" "";
        ["extra_args", "install_args"] => "options" "";
        ["pkgname", "package"] => "name" "";
        ["owner"] => "user" "";
        ["chdir", "editable", "virtualenv_site_packages", "umask"] => none "";
        ["state"] => "ensure" "`present`, `latest` or `absent`";
    }
    "json_file": {
        ["key", "path_in_file", "setting", "settings", "value", "data", "content"] => "values" "`values { \"server.port\" 80; }`";
        ["target", "dest"] => "path" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "toml_file": {
        ["key", "setting", "settings", "value", "data", "content"] => "values" "`values { \"server.port\" 80; }`";
        ["target", "dest"] => "path" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "yaml_file": {
        ["key", "setting", "settings", "value", "data", "content"] => "values" "`values { \"server.port\" 80; }`";
        ["target", "dest"] => "path" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "directory_tree": {
        ["src", "sourceselect"] => "source" "";
        ["dest", "target"] => "path" "";
        ["ignore", "rsync_opts"] => "exclude" "";
        ["recurse", "recursive"] => none "a tree is always managed to its last level";
        ["directory_mode", "dmode", "fmode"] => "mode" "folders get the search bit where the mode has the read bit";
        ["delete"] => "purge" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "limits": {
        ["user", "limits_user"] => "domain" "";
        ["limit_type", "limit_item", "value", "item"] => none "`soft { nofile 1024; }`, `hard` or `both`";
        ["dest", "target"] => none "the title is the file's name in /etc/security/limits.d";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "logrotate": {
        ["path", "paths"] => "files" "";
        ["rotate", "rotate_every", "compress", "delaycompress", "missingok", "ifempty", "create", "create_mode", "size", "maxsize", "dateext", "copytruncate", "sharedscripts", "su", "olddir", "period"] => "options" "`options daily \"rotate 14\" compress`";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "sudo": {
        ["group"] => "user" "`user \"%GROUP\"`";
        ["users"] => "user" "";
        ["nopassword"] => "nopasswd" "";
        ["priority"] => none "files hold in the order of their names: sudo \"10-NAME\"";
        ["sudoers_path", "validation"] => none "the file is checked by visudo in any case";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "ssh_authorized_key": {
        ["key_options"] => "options" "";
        ["target", "path"] => "file" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "ssh_known_host": {
        ["host_aliases", "alias"] => "aliases" "";
        ["target", "path"] => "file" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "acl": {
        ["permission", "permissions", "acl", "entry"] => "entries" "`entries \"user:deploy:rwX\"`";
        ["recursive"] => "recurse" "";
        ["default"] => "defaults" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "user": {
        ["createhome", "create_home", "move_home"] => "managehome" "";
        ["group", "primary_group"] => "gid" "";
        ["append", "auth_membership"] => "membership" "`minimum` or `inclusive`";
        ["gecos", "fullname"] => "comment" "";
        ["expires", "expire"] => "expiry" "";
        ["non_unique", "non_unique_uid"] => "allowdupe" "";
        ["remove", "force"] => "managehome" "with ensure=absent the home goes too";
        ["state"] => "ensure" "`present` or `absent`";
        ["update_password", "password_lock", "locked"] => "password" "a hash that begins with `!` locks it";
        ["generate_ssh_key", "ssh_key_bits", "purge_ssh_keys"] => none "the type `ssh_authorized_key` has the keys that open an account";
        ["salt", "iterations"] => "password" "it is the hash, best as a secret: password (secret)\"users/NAME\"";
    }
    "group": {
        ["auth_membership", "append"] => "membership" "`minimum` or `inclusive`";
        ["non_unique"] => "allowdupe" "";
        ["users"] => "members" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "exec": {
        ["cmd", "argv", "free_form"] => "command" "one argument after the other: `command make \"-j4\"`";
        ["chdir"] => "cwd" "";
        ["refreshonly"] => "refresh_only" "";
        ["executable", "provider"] => "shell" "`shell=\"...\"` takes a line for the shell";
        ["removes"] => "onlyif" "`onlyif test \"-e\" \"/path\"`";
        ["stdin"] => "input" "";
        ["env"] => "environment" "";
        ["retries"] => "tries" "";
        ["delay", "retry_delay"] => "try_sleep" "";
        ["become_user", "run_as"] => "user" "";
        ["logoutput", "warn", "changed_when", "failed_when"] => none "the output of a failure is always shown; `returns` says which codes are none";
        ["fail_codes", "rc", "success_exit_codes"] => "returns" "";
    }
    "host": {
        ["host_aliases", "alias", "names"] => "aliases" "";
        ["address", "addr"] => "ip" "";
        ["target"] => "file" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "line": {
        ["regexp", "regex"] => "match" "";
        ["insertafter", "insert_after"] => "after" "";
        ["insertbefore", "insert_before"] => "before" "";
        ["append_on_no_match"] => "append" "";
        ["state"] => "ensure" "`present` or `absent`";
        ["content"] => "line" "the type `block` takes several lines";
        ["file"] => "path" "";
        ["replace_all_matches_not_matching_line"] => "multiple" "";
    }
    "block": {
        ["block", "line", "lines"] => "content" "";
        ["marker", "marker_begin"] => "comment" "what comments begin with in the file; the title makes the marks";
        ["marker_end"] => "comment_end" "";
        ["insertafter", "insert_after"] => "after" "";
        ["insertbefore", "insert_before"] => "before" "";
        ["state"] => "ensure" "`present` or `absent`";
        ["file"] => "path" "";
    }
    "ini": {
        ["option", "key", "setting", "value", "settings"] => "section" "settings stand below their section: `section NAME { KEY VALUE }`";
        ["key_val_separator"] => "separator" "";
        ["state"] => "ensure" "`present` or `absent`";
        ["no_extra_spaces", "force_new_section_creation"] => none "the file's own spacing is kept";
        ["show_diff"] => none "a value that nobody may see is a secret: KEY (secret)\"FILE/KEY\"";
    }
    "cron": {
        ["job"] => "command" "";
        ["day", "dom"] => "monthday" "";
        ["dow", "dayofweek"] => "weekday" "";
        ["special_time"] => "special" "";
        ["env", "vars"] => "environment" "";
        ["target", "cron_file"] => "user" "every job stands in its user's crontab";
        ["state", "disabled"] => "ensure" "`present` or `absent`";
    }
    "mount": {
        ["src", "source", "blockdevice"] => "device" "";
        ["opts"] => "options" "";
        ["passno"] => "pass" "";
        ["type", "fs_type"] => "fstype" "";
        ["state"] => "ensure" "";
        ["atboot", "boot"] => "options" "`options noauto` keeps it from being mounted at boot";
    }
    "sysctl": {
        ["val"] => "value" "";
        ["sysctl_set", "reload", "apply"] => "live" "";
        ["permanent"] => "persist" "";
        ["sysctl_file", "target"] => "file" "";
        ["state"] => "ensure" "`present` or `absent`";
    }
    "git": {
        ["version", "branch", "tag"] => "revision" "";
        ["source", "url", "remote"] => "repo" "";
        ["recursive"] => "submodules" "";
        ["update", "clone"] => none "a branch as `revision` follows what it points at";
        ["key_file", "ssh_key"] => "identity" "";
        ["ssh_opts", "accept_hostkey"] => "user" "the ssh settings are those of `user`; `ssh_known_host` has the host's key";
        ["state"] => "ensure" "";
    }
    "archive": {
        ["src", "url"] => "source" "";
        ["checksum", "checksum_type", "checksum_url"] => "digest" "";
        ["extract_path"] => none "the title is the folder";
        ["extra_opts", "extract_flags"] => "strip_components" "";
        ["remote_src", "copy"] => none "a `source` that begins with `/` is a file of the host";
        ["extract", "cleanup", "keep_newer"] => none "what was unpacked is checked against the archive";
    }
    "wait": {
        ["host", "port"] => "tcp" "`tcp=\"db-1:3306\"`";
        ["path"] => "paths" "";
        ["state"] => "absent" "";
        ["sleep", "delay"] => "interval" "";
        ["msg", "search_regex"] => "command" "";
    }
    "": {
        ["path", "dest", "name", "title"] => none "the title says it: `TYPE \"TITLE\"`";
        ["state"] => "ensure" "";
        ["provider"] => none "each type has one way of doing it";
        ["become", "become_user", "alias", "loglevel", "audit", "schedule", "stage", "register", "ignore_errors"] => none "there is nothing like it; a run is one user's, and a failed resource stops only what requires it";
        ["loop", "with_items", "with_dict"] => none "write a `for` around it: `for item in=\"items\" { ... }`";
        ["tags"] => none "write `tag`";
        ["unless", "onlyif", "only_if"] => none "write `when=\"EXPRESSION\"`; commands as guards are for the type `exec`";
        ["depends_on", "after", "requires"] => none "write `require (type)title`";
    }
};

/// Words that are values elsewhere: type, attribute, the value as text, and what to write.
const VALUES: &[(&str, &str, &str, &str)] = &[
    ("service", "ensure", "started", "ensure=running"),
    ("service", "ensure", "true", "ensure=running"),
    ("service", "ensure", "false", "ensure=stopped"),
    ("service", "ensure", "restarted", "ensure=running, and `notify` or `subscribe` where something changes"),
    ("service", "ensure", "reloaded", "ensure=running, and `notify ... effect=reload` where something changes"),
    ("service", "enable", "yes", "enable=#true"),
    ("service", "enable", "no", "enable=#false"),
    ("service", "enable", "true", "enable=#true"),
    ("service", "enable", "false", "enable=#false"),
    ("service", "enable", "masked", "enable=mask"),
    ("package", "ensure", "installed", "ensure=present"),
    ("package", "ensure", "held", "hold=#true"),
    ("package", "ensure", "removed", "ensure=absent"),
    ("package", "ensure", "build-dep", "the packages by their names"),
    ("file", "ensure", "present", "ensure=file"),
    ("file", "ensure", "touch", "ensure=file"),
    ("file", "ensure", "hard", "ensure=link, which makes a symbolic one"),
    ("file", "ensure", "symlink", "ensure=link"),
    ("file", "ensure", "dir", "ensure=directory"),
];

/// Types under other names, and for those that are none here, what does the same.
const TYPES: &[(&str, &str)] = &[
    (
        "tidy",
        "what nobody declares in a folder goes with `file \"/dir\" ensure=directory recurse=#true purge=#true`; what gets \
         old goes by itself with a line of systemd-tmpfiles: `file \"/etc/tmpfiles.d/NAME.conf\" content=\"e /dir - - - 30d\\n\"`",
    ),
    ("apt", "write `package`"),
    ("lineinfile", "write `line`"),
    ("file_line", "write `line`"),
    ("blockinfile", "write `block`"),
    ("ini_setting", "write `ini`"),
    ("copy", "write `file`, with `source` or `content`"),
    ("template", "write `file`, with `template`"),
    ("concat", "write one `file` with a `template` that prints all parts, or a folder of files where the program reads one"),
    ("augeas", "write `ini`, `key_value`, `json_file`, `yaml_file`, `toml_file`, `xml_value` or `line`, by the form of the file"),
    ("authorized_key", "write `ssh_authorized_key`"),
    ("sshkey", "write `ssh_known_host`"),
    ("command", "write `exec`"),
    ("shell", "write `exec`, with `shell`"),
    ("vcsrepo", "write `git`"),
    ("modprobe", "write `kernel_module`"),
    ("unarchive", "write `archive`"),
];

/// What to write in place of a type that there is not.
pub(crate) fn resource_type(foreign: &str) -> Option<String> {
    TYPES.iter().find(|(name, _)| *name == foreign).map(|(_, here)| (*here).to_owned())
}

/// All words, for whoever holds them against the types.
pub fn all() -> &'static [ForeignWord] {
    WORDS
}

/// What to write in place of an attribute that a type does not have; `has` tells which it has.
pub(crate) fn attribute(type_name: &str, foreign: &str, has: impl Fn(&str) -> bool) -> Option<String> {
    let fits = |word: &&ForeignWord| word.foreign.contains(&foreign) && word.here.is_none_or(&has);
    let of = |wanted: &str| WORDS.iter().find(|word| word.type_name == wanted && fits(word));
    let word = of(type_name).or_else(|| of(""))?;
    let help = word.help.replace("TYPE", type_name);
    match (word.here, help.is_empty()) {
        (Some(here), true) => Some(format!("it is called `{here}` here")),
        (Some(here), false) => Some(format!("it is called `{here}` here: {help}")),
        (None, true) => None,
        (None, false) => Some(help),
    }
}

/// What to write in place of a value that an attribute does not take.
pub(crate) fn value(type_name: &str, attribute: &str, value: &Value) -> Option<String> {
    let written = match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        _ => return None,
    };
    let known = VALUES.iter().find(|(of, name, foreign, _)| (*of, *name, *foreign) == (type_name, attribute, &*written));
    if let Some((.., here)) = known {
        return Some(format!("write {here}"));
    }
    // Puppet's `ensure => '1.18.0'`.
    let version = (type_name, attribute) == ("package", "ensure") && written.contains(|c: char| c.is_ascii_digit());
    version.then(|| format!("a version has an attribute of its own: version=\"{written}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_s_own_words_come_before_those_of_all() {
        assert_eq!(attribute("file", "src", |_| true).unwrap(), "it is called `source` here");
        assert!(attribute("service", "state", |_| true).unwrap().contains("`running`"));
        assert_eq!(attribute("file", "dest", |_| true).unwrap(), "the title says it: `file \"TITLE\"`");
        assert_eq!(attribute("file", "contnt", |_| true), None);
        assert_eq!(attribute("wait", "loops", |_| true), None);
        assert_eq!(attribute("exec", "state", |_| false), None);
    }

    #[test]
    fn foreign_values_are_known() {
        let said = |type_name: &str, name: &str, text: &str| value(type_name, name, &Value::String(text.to_owned()));
        assert_eq!(said("service", "ensure", "started").unwrap(), "write ensure=running");
        assert!(said("package", "ensure", "1:10.11.6-0+deb12u1").unwrap().contains("version=\"1:10.11.6-0+deb12u1\""));
        assert_eq!(said("package", "ensure", "preset"), None);
        assert!(value("service", "ensure", &Value::Bool(true)).is_some());
    }

    #[test]
    fn types_of_others_are_known() {
        assert!(resource_type("tidy").is_some_and(|said| said.contains("purge=#true") && said.contains("tmpfiles.d")));
        assert_eq!(resource_type("lineinfile").as_deref(), Some("write `line`"));
        assert_eq!(resource_type("file"), None);
    }

    #[test]
    fn every_word_stands_once() {
        let mut seen = std::collections::BTreeSet::new();
        for word in WORDS {
            for foreign in word.foreign {
                assert!(seen.insert((word.type_name, *foreign)), "{} {foreign}", word.type_name);
            }
        }
    }
}
