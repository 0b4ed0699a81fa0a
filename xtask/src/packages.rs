//! Packages from PyPI in the sandbox: installed by pip as for native Python, made available with `--packages`, and used
//! by small programs whose output must be that of native Python.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Name and version, and a program that uses the package. Where a package has an extension module, what runs in the
/// sandbox is the Python it falls back to.
const PACKAGES: &[(&str, &str, &str)] = &[
    (
        "attrs",
        "25.3.0",
        "import attrs\n@attrs.define(order=True)\nclass P:\n    x: int = attrs.field(converter=int, validator=attrs.validators.ge(0))\n    y: list = attrs.Factory(list)\nprint(P('3'), attrs.asdict(P(1, [P(2)])), P(1) < P(2))\ntry: P(-1)\nexcept ValueError as error: print(error)",
    ),
    (
        "jinja2",
        "3.1.6",
        "import jinja2\nt = jinja2.Environment(autoescape=True).from_string('{% macro li(x) %}<li>{{ x|upper }}</li>{% endmacro %}{% for x in xs if x %}{{ li(x) }}{% else %}none{% endfor %}')\nprint(t.render(xs=['a', '<b>', '']), t.render(xs=[]))\ntry: jinja2.Template('{% if %}')\nexcept jinja2.TemplateSyntaxError as error: print(error.lineno, error)",
    ),
    (
        "markupsafe",
        "3.0.2",
        "from markupsafe import Markup, escape\nprint(escape('<a href=\"x\">&\\'</a>'), Markup('<b>%s</b>') % '<i>', Markup('<p>one</p>').striptags())",
    ),
    (
        "pyyaml",
        "6.0.2",
        "import yaml\ntext = 'a: [1, 2.5, null, yes]\\nb: &x {c: 2024-05-17}\\nd: *x\\ne: |\\n  two\\n  lines\\n'\ndata = yaml.safe_load(text)\nprint(data)\nprint(yaml.safe_dump(data, sort_keys=False))\ntry: yaml.safe_load('a: [')\nexcept yaml.YAMLError as error: print(error)",
    ),
    (
        "python-dateutil",
        "2.9.0.post0",
        "from datetime import datetime\nfrom dateutil import parser, relativedelta, rrule, tz\nprint(parser.parse('Thu Sep 25 2003 10:36:28 +0300'), datetime(2024, 1, 31) + relativedelta.relativedelta(months=1))\nprint([d.day for d in rrule.rrule(rrule.WEEKLY, count=4, dtstart=datetime(2024, 2, 20), byweekday=rrule.FR)])\nfrom dateutil.zoneinfo import get_zonefile_instance\nprint(datetime(2024, 7, 1, tzinfo=get_zonefile_instance().get('Europe/Berlin')).utcoffset())",
    ),
    (
        "requests",
        "2.32.4",
        "import os, requests\nr = requests.Request('POST', 'http://example.com/a b', params={'q': ['1', 'ü']}, json={'k': [1]}, auth=('u', 'p')).prepare()\nprint(r.method, r.url, r.body, sorted(r.headers.items()))\nprint(os.path.getsize(requests.certs.where()) > 100_000)",
    ),
    (
        "httpx",
        "0.28.1",
        "import httpx\ndef answer(request): return httpx.Response(200, json={'path': request.url.path, 'q': dict(request.url.params)})\nwith httpx.Client(transport=httpx.MockTransport(answer), base_url='https://example.com') as client:\n    r = client.get('/a/b', params={'x': 'ü'})\n    print(r.status_code, r.json(), r.url)\nimport asyncio\nasync def main():\n    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:\n        return [(await client.get(f'https://e.com/{n}')).json()['path'] for n in range(3)]\nprint(asyncio.run(main()))",
    ),
    (
        "networkx",
        "3.5",
        "import networkx as nx\ng = nx.Graph()\ng.add_weighted_edges_from([('a', 'b', 1), ('b', 'c', 2), ('a', 'c', 5), ('c', 'd', 1)])\nprint(nx.shortest_path(g, 'a', 'd', weight='weight'), nx.degree_centrality(g), sorted(nx.minimum_spanning_tree(g).edges))\nd = nx.DiGraph([(1, 2), (2, 3), (1, 3)])\nprint(list(nx.topological_sort(d)), nx.is_directed_acyclic_graph(d))\nprint([sorted(c) for c in nx.community.greedy_modularity_communities(nx.karate_club_graph())])",
    ),
    (
        "sympy",
        "1.14.0",
        "from sympy import *\nx, y = symbols('x y')\nprint(integrate(exp(-x**2) * x, x), diff(sin(x)**2, x), solve(x**3 - x - 6, x)[0], factor(x**4 - 1))\nprint(limit(sin(x) / x, x, 0), series(cos(x), x, 0, 6), Matrix([[1, 2], [3, 4]]).eigenvals(), pi.evalf(50))\nprint(latex(Integral(sqrt(1 / x), x)), simplify(sin(x)**2 + cos(x)**2), factorint(2**67 - 1), dsolve(Function('f')(x).diff(x) - Function('f')(x)))",
    ),
    (
        "tabulate",
        "0.9.0",
        "from tabulate import tabulate\nprint(tabulate([['alpha', 12, .25], ['γ', 1000, .625]], headers=['name', 'n', 'share'], tablefmt='grid'))",
    ),
    (
        "rich",
        "14.1.0",
        "from rich.console import Console\nfrom rich.table import Table\nfrom rich.syntax import Syntax\nfrom rich.markdown import Markdown\nc = Console(width=50, force_terminal=True, color_system='256', legacy_windows=False)\nt = Table(title='[b]T[/b]')\nt.add_column('a'); t.add_column('b', justify='right')\nt.add_row('x', '[red]1[/]')\nc.print(t, Syntax('def f(): return 1', 'python'), Markdown('# h\\n* a\\n* b'))",
    ),
];

/// Packages that do not work, and why: the words of the exception that says so. None at present.
const MISSING: &[(&str, &str)] = &[];

/// `cargo xtask conformance packages`, and a part of `cargo xtask conformance`: the section of the document.
pub(crate) fn run(root: &Path, binary: &Path) -> Result<String> {
    let folder = root.join("target/conformance-packages");
    let python = crate::python::find("3.13").context("the packages want a python3.13")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--upgrade", "--target"]).arg(&folder);
    pip.args(PACKAGES.iter().map(|(name, version, _)| format!("{name}=={version}")));
    crate::check(&mut pip)?;
    let mut text = String::from(
        "\n## Packages from PyPI\n\nInstalled by pip for native Python 3.13, made available with `--packages`, and used by a small program whose\n\
         output is that of native Python, byte for byte (`xtask/src/packages.rs`). Extension modules are left out: what runs\n\
         is the Python the package falls back to.\n\n| package | version | output as natively |\n| --- | --- | --- |\n",
    );
    let mut failed = Vec::new();
    for (name, version, program) in PACKAGES {
        let ours = output(Command::new(binary).args(["run", "--packages"]).arg(&folder).args(["-c", program]))?;
        let native = format!("import sys; sys.path.append({folder:?}); exec({program:?})");
        let theirs = output(Command::new(&python).args(["-X", "utf8", "-c", &native]))?;
        let same = ours == theirs && !ours.is_empty();
        let missing = MISSING.iter().find(|(other, _)| other == name).map(|(_, words)| words);
        let verdict = match missing {
            None if same => "yes".to_owned(),
            Some(words) if ours.contains(words) => format!("no: {words}"),
            Some(_) => {
                failed.push(format!("{name} is listed as missing something else:\n{ours}"));
                continue;
            }
            None => {
                failed.push(format!("{name} printed in the sandbox:\n{ours}\nand natively:\n{theirs}"));
                continue;
            }
        };
        writeln!(std::io::stderr(), "{name} {version}: {verdict}")?;
        let _ = writeln!(text, "| {name} | {version} | {verdict} |");
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("\n\n"));
    }
    Ok(text)
}

/// What a program prints, on both streams one after the other.
fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).env_remove("PYTHONPATH").output();
    let output = output.with_context(|| format!("cannot run {command:?}"))?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Writes the section into the document, in place of the one that is there.
pub(crate) fn update(root: &Path, section: &str) -> Result<()> {
    let path = root.join("docs/conformance.md");
    let text = fs::read_to_string(&path)?;
    let kept = text.split_once("\n## Packages from PyPI\n").map_or(text.as_str(), |(before, _)| before);
    Ok(fs::write(path, format!("{kept}{section}"))?)
}
