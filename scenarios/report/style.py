"""The style sheet of the report."""

STYLE = """
:root { --ink: #222; --soft: #666; --line: #ddd; --accent: #d55e00; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 1100px; padding: 2.5rem 1.25rem 4rem; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
header { border-bottom: 1px solid var(--line); padding-bottom: 1.25rem; }
.kicker { margin: 0; color: var(--accent); font-size: .8rem; letter-spacing: .08em;
  text-transform: uppercase; }
h1 { margin: .2rem 0 .6rem; font-size: 2rem; line-height: 1.2; letter-spacing: -.015em; }
h2 { margin: 3rem 0 .4rem; font-size: 1.25rem; line-height: 1.3; }
.headline { margin: 0; max-width: 46rem; font-size: 1.2rem; line-height: 1.45; text-wrap: balance; }
.facts { margin: .75rem 0 0; color: var(--soft); font-size: .875rem; }
p, figcaption { max-width: 46rem; }
section p, figcaption { margin: 0 0 .75rem; color: var(--soft); font-size: .9375rem; }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 1.25rem 1.5rem;
  margin: 1.5rem 0 0; }
.strip dt { color: var(--soft); font-size: .8125rem; line-height: 1.35; }
.strip dd { margin: .1rem 0 0; }
.strip strong { display: block; font-size: 1.5rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.strip small { color: var(--soft); font-size: .8125rem; font-weight: 400; }
.strip span { display: block; color: var(--soft); font-size: .8125rem; line-height: 1.35; }
figure { margin: 0; }
.scroll { overflow-x: auto; margin: 0 0 1.5rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { padding: .75rem 0 .35rem; text-align: left; font-weight: 600; font-size: .9375rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #eee; text-align: right; vertical-align: baseline;
  white-space: nowrap; }
th { font-weight: 500; }
th:first-child { padding-left: 0; text-align: left; }
td:last-child { padding-right: 0; }
thead th { border-bottom: 1px solid #999; vertical-align: bottom; }
.group th { padding-top: 1.1rem; font-weight: 600; }
.group small { margin-left: .75rem; color: var(--soft); font-size: .75rem; font-weight: 400; }
thead small { display: block; color: var(--soft); font-size: .75rem; font-weight: 400; }
.interval { display: block; color: var(--soft); font-size: .75rem; line-height: 1.3; }
.provenance th { width: 14rem; }
td.text { text-align: left; white-space: normal; overflow-wrap: anywhere;
  font: .8125rem ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { overflow-x: auto; margin: 0 0 1.5rem; padding: .9rem 1rem; border: 1px solid var(--line);
  border-radius: 4px; background: #fafafa; font: .875rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media (max-width: 600px) { body { padding-top: 1.5rem; } h1 { font-size: 1.6rem; }
  .headline { font-size: 1.05rem; } .provenance th { width: auto; }
  .strip { grid-template-columns: 1fr 1fr; } .strip strong { font-size: 1.2rem; } }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } h2 { break-after: avoid; }
  figure, tr, pre, .strip { break-inside: avoid; } .scroll, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
  th, td { white-space: normal; } .modebar { display: none; } }
"""
