//! How `report.html` looks.

pub(super) const STYLE: &str = "
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#59636e;--line:#d8dee4;--card:#f6f8fa;
--bad:#b3261e;--warn:#8a5a00;--good:#1a7f37;--c0:#8250df;--c1:#0969da;--c2:#bf8700;--c3:#cf222e;
--c4:#1a7f37;--rest:#afb8c1;--f0:#e6dbf9;--f1:#cfe3fa;--f2:#f6e3b4;--f3:#fad7d5;--f4:#cdeed5}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9198a1;--line:#30363d;
--card:#161b22;--bad:#ff8a80;--warn:#e3b341;--good:#56d364;--c0:#bc8cff;--c1:#58a6ff;--c2:#d29922;
--c3:#ff7b72;--c4:#3fb950;--rest:#6e7681;--f0:#40326b;--f1:#153d6b;--f2:#55400b;--f3:#62272a;--f4:#17502a}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
main{max-width:1100px;margin:0 auto;padding:16px}
h1{font-size:1.35rem;margin:.2em 0}h2{font-size:1.1rem;margin:2em 0 .5em;border-bottom:1px solid
var(--line);padding-bottom:.2em}h3{font-size:1rem;margin:0}
p{margin:.4em 0}.soft{color:var(--soft)}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.verdict{border-left:4px solid var(--good);background:var(--card);padding:10px 14px;font-size:1.1rem;
overflow-wrap:anywhere}.verdict.warning{border-color:var(--warn)}.verdict.critical{border-color:var(--bad)}
.card{border:1px solid var(--line);border-radius:6px;padding:10px 14px;margin:10px 0;background:var(--card);
overflow-wrap:anywhere}.critical h3 b{color:var(--bad)}.warning h3 b{color:var(--warn)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:4px 10px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
time{white-space:nowrap}th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right;white-space:nowrap}
td{white-space:nowrap}td.name{min-width:9em;white-space:normal;overflow-wrap:anywhere}
td[colspan]{white-space:normal}svg{display:block;width:100%}
.s0{fill:var(--c0)}.s1{fill:var(--c1)}.s2{fill:var(--c2)}.s3{fill:var(--c3)}.s4{fill:var(--c4)}
.rest{fill:var(--rest)}.key{display:flex;flex-wrap:wrap;gap:4px 16px;color:var(--soft)}
.key svg{display:inline-block;width:12px;height:12px;margin-right:5px}
.line{fill:none;stroke:var(--c1);stroke-width:1.5;vector-effect:non-scaling-stroke}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:12px}
.event{padding:8px 0;border-bottom:1px solid var(--line)}.event div:first-child{display:flex;
flex-wrap:wrap;justify-content:space-between;gap:0 16px}.event b{overflow-wrap:anywhere}
.flame{position:relative;min-width:640px;margin:6px 0 14px}.flame div{position:absolute;height:17px;
padding:0 3px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis;font:11px/17px system-ui,sans-serif;
border-right:1px solid var(--bg);color:var(--fg)}
.f0{background:var(--f0)}.f1{background:var(--f1)}.f2{background:var(--f2)}.f3{background:var(--f3)}
.f4{background:var(--f4)}
";
