"""The style of the guard's report: readable on a phone, in the light and in the dark, without any font or picture."""

__all__ = ["STYLE"]

STYLE = """
:root{--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--page:#fff;--health:#0550ae;--danger:#b3261e;--warn:#8a5a00;
--ok:#1a7f37;--shade:#8884}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4ae;--line:#30363d;--page:#0d1117;--health:#79c0ff;
--danger:#ff8178;--warn:#e3b341;--ok:#56d364}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:920px;margin:0 auto;padding:16px}
h1{font-size:26px;margin:0}h2{font-size:21px;margin:32px 0 4px}h3{font-size:16px;margin:16px 0 4px}
p{margin:4px 0 12px}.place,footer{color:var(--soft);font-size:14px;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:8px 16px;margin:16px 0}
dt{color:var(--soft);font-size:14px}dd{margin:0;font-weight:600;overflow-wrap:anywhere}
figure{margin:12px 0}.narrow{display:none}svg{display:block;max-width:100%}
summary{font-weight:600;margin:16px 0 4px;cursor:pointer}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums;width:100%}
th{color:var(--soft);font-weight:600}th,td{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);
vertical-align:top}td{overflow-wrap:anywhere}td:first-child,th{white-space:nowrap}
footer{margin:40px 0 8px;border-top:1px solid var(--line);padding-top:8px}
.grid{stroke:var(--line)}.axis{stroke:var(--soft)}.health{fill:none;stroke:var(--health);stroke-width:2}
.reading{fill:var(--health)}.liquidation{stroke:var(--danger);stroke-width:1.5}
.trigger{stroke:var(--warn);stroke-dasharray:5 4}
svg text{font:13px system-ui,sans-serif;fill:var(--soft)}
svg text,svg text.liquidation,svg text.trigger{paint-order:stroke;
stroke:var(--page);stroke-width:3px;stroke-dasharray:none}
svg text.liquidation{fill:var(--danger)}svg text.trigger{fill:var(--warn)}
.act,.critical{fill:var(--danger)}.alert,.warning{fill:var(--warn)}.wait,.held{fill:var(--ink)}.info{fill:var(--ok)}
.action{stroke:var(--ok);stroke-width:1.5}.blind{fill:var(--shade)}
@media (max-width:919px){.wide{display:none}.narrow{display:block}}
@media (max-width:700px){thead{display:none}table,tbody,tr,td{display:block}
tr{border-bottom:1px solid var(--line);padding:6px 0}
td{border:0;padding:1px 0 1px 120px;min-height:24px;position:relative}td:first-child{white-space:normal}
td::before{content:attr(data-name);position:absolute;left:0;width:112px;color:var(--soft)}}
""".strip()
