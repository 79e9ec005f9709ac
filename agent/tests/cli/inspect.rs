//! What `keel inspect` prints plans to nothing, whoever wrote the host's files; what cannot be kept is said.

use crate::stage::Stage;

const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX";
const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIEotherkeyotherkeyotherkeyotherkeyotherkey00";

fn foreign() -> Stage {
    let stage = Stage::new("group g");
    let keys = format!("ssh-ed25519 {KEY} twice\nssh-ed25519 {OTHER} twice\nssh-ed25519  {KEY}x\n");
    for (path, text) in [
        ("etc/passwd", "ada:x:1000:1000::/home/ada:/bin/sh\n"),
        ("etc/group", "ada:x:1000:\n"),
        ("etc/fstab", "proc /proc proc defaults 0 0\n/dev/vdb1 /srv ext4 defaults,noatime 0 2\n/swapfile none swap defaults,nofail 0 0\n"),
        ("srv/x", ""),
        ("swapfile", "short"),
        ("etc/sysctl.d/60-vm.swappiness.conf", "vm.swappiness = 10\n"),
        ("etc/sysctl.d/mine.conf", "# mine\nvm.swappiness = 10\n"),
        ("etc/apt/sources.list", "deb http://archive.example/debian bookworm main\n"),
        ("etc/apt/sources.list.d/old.list", "deb http://x.example/debian bookworm main\n"),
        (
            "etc/apt/sources.list.d/odd.sources",
            "# a remark\nSuites: bookworm\nURIs: http://x.example/debian\nTypes: deb\nComponents: main\n",
        ),
        ("etc/modules-load.d/both.conf", "loop\nbridge\n"),
        ("etc/sudoers.d/loose", "ada ALL=(ALL) ALL\n"),
        ("etc/systemd/system/x.service.d/more.conf", "[Service]\nNice=1\n"),
        ("home/ada/.ssh/authorized_keys", &keys),
        ("etc/nftables.conf", "#!/usr/sbin/nft -f\n\nflush ruleset\n\ntable inet filter {\n\tchain input {\n\t}\n}\n"),
        ("etc/nftables.d/adds.nft", "add rule inet filter input accept\n"),
        ("var/cache/debconf/config.dat", "Name: x/kind\nTemplate: x/kind\nValue: a word\nOwners: x\nFlags: seen\n"),
        ("var/cache/debconf/templates.dat", "Name: x/kind\nType: select\n"),
        ("var/cache/debconf/passwords.dat", "Name: x/password\nTemplate: x/password\nValue: canary\nOwners: x\nFlags: seen\n"),
        ("etc/ssl/private/lone.key", "canary"),
    ] {
        stage.write(&format!("root/{path}"), text);
    }
    stage
}

#[test]
fn what_is_printed_plans_to_nothing_and_the_rest_is_said() {
    let stage = foreign();
    let root = stage.root();
    let found = stage.keel(&["inspect", "--all", "--root", root.to_str().unwrap()]).expect(0);
    for left in [
        "mount \"/proc\"",
        "swap \"/swapfile\"",
        "mine.conf",
        "sources.list:",
        "old.list",
        "odd",
        "both.conf",
        "loose",
        "more.conf",
        "twice",
        "adds.nft",
        "debconf x/password",
        "lone.key",
    ] {
        assert!(found.err.lines().any(|line| line.contains("left out:") && line.contains(left)), "{left} is not said:\n{}", found.err);
    }
    for kept in ["mount \"/srv\"", "sysctl \"vm.swappiness\"", "group \"ada\"", "nftables \"nftables\"", "debconf \"x/kind\""] {
        assert!(found.out.contains(kept), "{kept} is missing:\n{}", found.out);
    }
    assert!(!found.out.contains("twice") && !found.err.contains(KEY), "{}", found.out);
    assert!(![&found.out, &found.err].iter().any(|said| said.contains("canary")), "{}{}", found.out, found.err);
    let unlisted: Vec<&str> = found.err.lines().filter(|line| line.starts_with("not listed:")).collect();
    assert!(unlisted.len() == 2 && unlisted[0].contains("git") && unlisted[1].contains("exec, "), "{unlisted:?}");
    stage.manifest(&found.out);
    stage.run("plan", &["--detailed-exitcode"]).expect(0);
}

#[test]
fn what_cannot_be_listed_says_so_and_how_it_is_found() {
    let stage = foreign();
    let root = stage.root();
    let inspect =
        |arguments: &[&str], code: i32| stage.keel(&[&["inspect"], arguments, &["--root", root.to_str().unwrap()]].concat()).expect(code);
    let exec = inspect(&["exec"], 64);
    assert!(exec.err.contains("only a manifest knows what belongs to it"), "{}", exec.err);
    let git = inspect(&["git"], 64);
    assert!(git.err.contains("keel inspect git /PATH"), "{}", git.err);
    let unkept = inspect(&["mount", "/proc"], 1);
    assert!(unkept.err.contains("no manifest could keep mount \"/proc\""), "{}", unkept.err);
    let none = inspect(&["user", "nobody-here"], 1);
    assert!(none.err.contains("there is no user \"nobody-here\" here"), "{}", none.err);
}

#[test]
fn passwords_of_a_cluster_are_printed_and_named() {
    let stage = Stage::new("group g");
    let pair = |id: &str, name: &str, value: &str| format!("<nvpair id='{id}' name='{name}' value='{value}'/>");
    let primitive = format!(
        "<primitive id='ipmi' class='stonith' type='fence_ipmilan'><instance_attributes id='i'>{}{}</instance_attributes></primitive>",
        pair("i-1", "ip", "10.0.0.9"),
        pair("i-2", "passwd", "canary"),
    );
    let attribute =
        format!("<node id='1' uname='n1'><instance_attributes id='n'>{}</instance_attributes></node>", pair("n-1", "bmc_password", "x"));
    stage.write(
        "cib.xml",
        &format!("<cib epoch='1'><configuration><crm_config/><nodes>{attribute}</nodes><resources>{primitive}</resources><constraints/></configuration></cib>"),
    );
    let cib = stage.folder().join("cib.xml");
    let found = stage.keel(&["inspect", "pcmk", "--cib", cib.to_str().unwrap()]).expect(0);
    assert!(found.out.contains("passwd \"canary\""), "{}", found.out);
    let said: Vec<&str> = found.err.lines().filter(|line| line.starts_with("in clear:")).collect();
    assert_eq!(said.len(), 2, "{}", found.err);
    assert!(found.err.contains("pcmk_primitive \"ipmi\": params.passwd may be a password"), "{}", found.err);
    assert!(found.err.contains("pcmk_node_attribute \"n1 bmc_password\": value may be a password"), "{}", found.err);
    assert!(!found.err.contains("canary"), "{}", found.err);
}
