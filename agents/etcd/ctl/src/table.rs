//! The commands and their options, one table.

/// An option of a command.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) value: bool,
    pub(crate) help: &'static str,
}

/// A command.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) help: &'static str,
    pub(crate) flags: &'static [Flag],
}

const fn takes(name: &'static str, help: &'static str) -> Flag {
    Flag {
        name,
        value: true,
        help,
    }
}

const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag {
        name,
        value: false,
        help,
    }
}

const TTL: Flag = takes("ttl", "key time-to-live in seconds");
const SORT: Flag = switch("sort", "returns result in sorted order");
const QUORUM: Flag = switch("quorum, q", "require quorum for get request");
const RECURSIVE: Flag = switch("recursive, r", "also everything below");
const AFTER: Flag = takes("after-index", "watch after the given index");

/// The options before the command.
pub(crate) const GLOBAL: &[Flag] = &[
    switch(
        "debug",
        "output cURL commands which can be used to reproduce the request",
    ),
    switch(
        "no-sync",
        "don't synchronize cluster information before sending request",
    ),
    takes(
        "output, o",
        "output response in the given format (simple, extended or json)",
    ),
    takes(
        "discovery-srv, D",
        "domain name to query for SRV records describing cluster endpoints",
    ),
    takes(
        "peers, C",
        "DEPRECATED - \"--endpoints\" should be used instead",
    ),
    takes(
        "endpoint",
        "DEPRECATED - \"--endpoints\" should be used instead",
    ),
    takes(
        "endpoints",
        "a comma-delimited list of machine addresses in the cluster",
    ),
    takes(
        "cert-file",
        "identify HTTPS client using this SSL certificate file",
    ),
    takes("key-file", "identify HTTPS client using this SSL key file"),
    takes(
        "ca-file",
        "verify certificates of HTTPS-enabled servers using this CA bundle",
    ),
    takes("username, u", "provide username[:password]"),
    takes("timeout", "connection timeout per request (default 1s)"),
    takes(
        "total-timeout",
        "timeout for the command execution, except watch (default 5s)",
    ),
    switch("help, h", "show help"),
    switch("version, v", "print the version"),
];

/// All commands; those of two words share the first.
pub(crate) const COMMANDS: &[Spec] = &[
    Spec {
        name: "cluster-health",
        usage: "",
        help: "check the health of the etcd cluster",
        flags: &[switch(
            "forever, f",
            "forever check the health every 10 second until CTRL+C",
        )],
    },
    Spec {
        name: "ls",
        usage: "[key]",
        help: "retrieve a directory",
        flags: &[
            SORT,
            RECURSIVE,
            switch("p", "append slash (/) to directories"),
            QUORUM,
        ],
    },
    Spec {
        name: "mk",
        usage: "<key> <value>",
        help: "make a new key with a given value",
        flags: &[
            switch("in-order", "create in-order key under directory <key>"),
            TTL,
        ],
    },
    Spec {
        name: "mkdir",
        usage: "<key>",
        help: "make a new directory",
        flags: &[TTL],
    },
    Spec {
        name: "rm",
        usage: "<key>",
        help: "remove a key or a directory",
        flags: &[
            switch(
                "dir",
                "removes the key if it is an empty directory or a key-value pair",
            ),
            RECURSIVE,
            takes("with-value", "previous value"),
            takes("with-index", "previous index"),
        ],
    },
    Spec {
        name: "rmdir",
        usage: "<key>",
        help: "removes the key if it is an empty directory or a key-value pair",
        flags: &[],
    },
    Spec {
        name: "get",
        usage: "<key>",
        help: "retrieve the value of a key",
        flags: &[SORT, QUORUM],
    },
    Spec {
        name: "set",
        usage: "<key> <value>",
        help: "set the value of a key",
        flags: &[
            TTL,
            takes("swap-with-value", "previous value"),
            takes("swap-with-index", "previous index"),
        ],
    },
    Spec {
        name: "setdir",
        usage: "<key>",
        help: "create a new directory or update an existing directory TTL",
        flags: &[TTL],
    },
    Spec {
        name: "update",
        usage: "<key> <value>",
        help: "update an existing key with a given value",
        flags: &[TTL],
    },
    Spec {
        name: "updatedir",
        usage: "<key> <value>",
        help: "update an existing directory",
        flags: &[TTL],
    },
    Spec {
        name: "watch",
        usage: "<key>",
        help: "watch a key for changes",
        flags: &[
            switch("forever, f", "forever watch a key until CTRL+C"),
            AFTER,
            RECURSIVE,
        ],
    },
    Spec {
        name: "exec-watch",
        usage: "<key> -- <command> [args...]",
        help: "watch a key for changes and exec an executable",
        flags: &[AFTER, RECURSIVE],
    },
    Spec {
        name: "member list",
        usage: "",
        help: "enumerate existing cluster members",
        flags: &[],
    },
    Spec {
        name: "member add",
        usage: "<name> <peerURL>",
        help: "add a new member to the etcd cluster",
        flags: &[],
    },
    Spec {
        name: "member remove",
        usage: "<memberID>",
        help: "remove an existing member from the etcd cluster",
        flags: &[],
    },
    Spec {
        name: "member update",
        usage: "<memberID> <peerURLs>",
        help: "update an existing member in the etcd cluster",
        flags: &[],
    },
];

impl Flag {
    /// Whether a word without its dashes names this option.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.name.split(", ").any(|name| name == word)
    }

    /// The first of its names.
    pub(crate) fn key(&self) -> &'static str {
        self.name.split(", ").next().unwrap_or(self.name)
    }

    pub(crate) fn short(&self) -> Option<char> {
        self.name
            .split(", ")
            .find(|name| name.len() == 1)?
            .chars()
            .next()
    }

    pub(crate) fn long(&self) -> Option<&'static str> {
        self.name.split(", ").find(|name| name.len() > 1)
    }
}
