"""Hostile: addresses that must never be dialled, as a tenant, a name server or a redirect would give them."""

# What a URL's host may look like, and all of it leads to this machine, its link, its network or a metadata service.
HOSTS = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001"),
    *("127.0.0.1.", "127.255.255.254", "0", "0.0.0.0", "0x0", "localhost", "LOCALHOST", "localhost."),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[::ffff:0:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.5]"),
    *("[64:ff9b:1::a9fe:a9fe]", "[64:ff9b:1:a9fe:a9:fe00::]", "[2002:a9fe:a9fe::1]", "[2002:7f00:1::]"),
    *("[2001:0:a9fe:a9fe::1]", "[2001:0:5db8:d70e::5601:5601]", "[fe80::1]", "[fe80::5efe:a9fe:a9fe]"),
    *("[2606:4700::5efe:a9fe:a9fe]", "[fd00:ec2::254]", "[fd20:ce::254]", "[fd12:3456::1]", "[fec0::1]"),
    *("[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[2001:2::1]", "[100::1]", "[5f00::1]"),
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "169.254.170.2"),
    *("100.100.100.200", "192.0.0.192", "168.63.129.16", "10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.9"),
    *("192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1", "224.0.0.1"),
    *("240.0.0.1", "255.255.255.255", "metadata.google.internal", "METADATA.google.internal.", "instance-data"),
    *("①②⑦.⓪.⓪.①", "①⑥⑨.②⑤④.①⑥⑨.②⑤④", "127。0。0。1", "１２７.0.0.1", "ⓛocalhost"),
]
# Whole addresses that try to be read in two ways, or to leave the web.
URLS = [
    *("https://api.example@127.0.0.1/v1", "https://127.0.0.1#@api.example/v1", "https://api.example:443@10.0.0.5/v1"),
    *(
        "https://127.0.0.1:0/v1",
        "https://127.0.0.1:99999/v1",
        "https://127.0.0.1:٤٤٣/v1",
        "https://127.0.0.1\\@api.example/",
    ),
    *(
        "https://[fe80::1%25eth0]/v1",
        "https://[fe80::1%eth0]/v1",
        "https://[::1%25lo]/v1",
        "https://127.0.0.1%2f.example/",
    ),
    *(
        "https:///127.0.0.1/v1",
        "https:127.0.0.1/v1",
        "//127.0.0.1/v1",
        "https://127.0.0.1 /v1",
        "https://\t127.0.0.1/v1",
    ),
    *("unix:///run/postgresql/.s.PGSQL.5432", "http+unix://%2Frun%2Fdocker.sock/v1", "file:///etc/passwd"),
    *("gopher://127.0.0.1:6379/_FLUSHALL", "ftp://127.0.0.1/", "jar:https://127.0.0.1!/", "ws://127.0.0.1/"),
    *("https://127.0.0.1\r\nHost: api.example/v1", "https://127.0.0.1\x00.example/v1", "https://"),
    *("http://93.184.215.14/v1", "http://93.184.215.14:443/v1", "https://93.184.215.14:80/v1"),
    *("https://93.184.215.14:22/v1", "https://93.184.215.14:6379/v1", "https://93.184.215.14:25/v1"),
]
# A name whose owner answers as he likes: what the resolver says, question after question (the last one from then on).
NAMES = {
    "rebinds.example": [["93.184.215.14"], ["169.254.169.254"]],
    "mixed.example": [["93.184.215.14", "10.0.0.5"]],
    "mixed6.example": [["93.184.215.14", "::ffff:169.254.169.254"]],
    "late.example": [[], ["127.0.0.1"]],
    "inside.example": [["192.168.1.20"]],
    "zone.example": [["fe80::1%eth0"]],
    "nat64.example": [["64:ff9b::7f00:1"]],
    "metadata.example": [["169.254.169.254"]],
}
