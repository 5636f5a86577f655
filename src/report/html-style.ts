/** The style of the HTML report, once for light and dark, screen, phone and paper. No file, font or image is loaded. */
export const htmlStyle = `
:root{--ground:#f5f7f9;--card:#fff;--ink:#1b242d;--muted:#5f6c79;--edge:#dde3e9;--code:#f1f4f7;--link:#0067a3;
--red:#b3261e;--red-soft:#fdeeec;--amber:#8a5a00;--amber-soft:#fff5e0;--green:#1a7042;--green-soft:#e9f6ee;--bar:#5b8fb9;--bar-look:#9aa7b3;--bar-during:#7a5bb5}
@media(prefers-color-scheme:dark){:root{--ground:#0e1216;--card:#14191f;--ink:#e4e9ee;--muted:#93a1af;--edge:#28313a;--code:#1d242c;--link:#6db9f2;
--red:#ff8a80;--red-soft:#2c1614;--amber:#f2b84b;--amber-soft:#2a2010;--green:#6fd39b;--green-soft:#12261b;--bar:#4f86b3;--bar-look:#566370;--bar-during:#a68be0}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;overflow-wrap:anywhere}
main{max-width:960px;margin:0 auto;padding:28px 20px 8px}
footer{max-width:960px;margin:0 auto;padding:8px 20px 40px;color:var(--muted);font-size:14px}
h1{font-size:27px;line-height:1.3;margin:10px 0 12px;font-weight:650;letter-spacing:-.01em}
h2{font-size:18px;margin:38px 0 12px;font-weight:650}
h3{font-size:18px;line-height:1.35;margin:6px 0;font-weight:650}
h4{font-size:15px;margin:22px 0 10px}
h5{font-size:15px;margin:0 0 8px}
p{margin:0 0 10px}
a{color:var(--link)}
code,pre,.at{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Noto Sans Mono CJK SC",monospace}
code{font-size:.9em}
.muted,dt,figcaption{color:var(--muted)}
.count{color:var(--muted);font-weight:400}
.card{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:20px 22px;margin:0 0 16px}
.verdict{background:var(--card);border:1px solid var(--edge);border-left:6px solid var(--tone);border-radius:12px;padding:22px 26px}
.found,.confirmed{--tone:var(--red);--soft:var(--red-soft)}
.clear{--tone:var(--green);--soft:var(--green-soft)}
.inconclusive,.likely{--tone:var(--amber);--soft:var(--amber-soft)}
.badge,.tag{display:inline-block;margin:0;padding:3px 12px;border-radius:99px;background:var(--soft);color:var(--tone);font-weight:700}
.badge{letter-spacing:.04em}
.tag{font-size:14px}
.asked{font-size:17px;margin:0 0 4px}
.means{color:var(--muted)}
.facts{display:flex;flex-wrap:wrap;gap:6px 28px;margin:16px 0 0;font-size:14px}
.facts div,.node dl div{display:flex;gap:8px}
dl{margin:0}dd{margin:0;min-width:0}dt{flex:none}
h2+.muted+h3{margin-top:0}.card.evidence+h3{margin-top:22px}
.where{color:var(--muted)}
.because{margin:14px 0 0;padding-left:20px}
.because li{margin:0 0 12px}
.because li::marker{color:var(--tone)}
.at{font-size:13px;color:var(--muted)}
a.at{color:var(--link);text-decoration:none}a.at:hover{text-decoration:underline}
.remedies{display:grid;gap:14px}
.remedy{border:1px solid var(--edge);border-radius:10px;padding:16px 18px;min-width:0}
.remedy>:last-child{margin-bottom:0}
.risk{margin-top:10px}
pre.copy{margin:10px 0;padding:12px 14px;background:var(--code);border:1px solid var(--edge);border-radius:8px;overflow-x:auto;user-select:all;-webkit-user-select:all;cursor:copy;overflow-wrap:normal;line-height:1.5}
pre.copy code{font-size:14px;white-space:pre}
details{margin-top:8px}
summary{cursor:pointer;color:var(--muted);font-size:14px}
details.folded{margin:0 0 16px}details.folded summary{padding:4px 2px;font-size:15px}details.folded .card{margin-top:8px}
figure{margin:0 0 16px;padding:14px}
figcaption{padding:4px 8px}
.scroll{overflow-x:auto}
.scroll svg{display:block;width:100%;max-width:860px;height:auto;min-width:620px;margin:0 auto}
ul.card{list-style:none}
.checks{padding-top:8px;padding-bottom:8px}
.checks li{display:flex;gap:12px;padding:11px 0;border-top:1px solid var(--edge)}
.checks li:first-child{border-top:0}
.checks .mark{color:var(--green);font-weight:700;width:1em;flex:none;text-align:center}
.checks .notApplicable .mark{color:var(--muted)}
.unseen{border-left:4px solid var(--amber)}
.unseen li{padding:7px 0}
.nodes{display:grid;grid-template-columns:repeat(auto-fill,minmax(270px,1fr));gap:14px}
.node{margin:0;padding:16px 18px;font-size:15px}
.node h3{margin:0}.node p{margin:0 0 8px}
.node dt{min-width:4.2em;flex:none}
.warn{color:var(--amber)}
.evidence{padding:4px 18px;font-size:14px}
.row{display:grid;grid-template-columns:minmax(0,1fr) 170px 150px 92px;gap:18px;padding:11px 0;border-top:1px solid var(--edge);align-items:start;scroll-margin-top:12px}
.row.head{border-top:0;color:var(--muted);font-size:13px}
.row:target{background:var(--amber-soft);margin:0 -18px;padding-left:18px;padding-right:18px}
.n{text-align:right;font-variant-numeric:tabular-nums}
.root{border:1px solid var(--edge);border-radius:5px;padding:0 5px;font-size:12px;color:var(--amber)}
.track{position:relative;display:block;height:8px;margin-top:7px;border-radius:4px;background:var(--code)}
.bar{position:absolute;top:0;bottom:0;border-radius:4px;background:var(--bar)}
.bar.look{background:var(--bar-look)}
.bar.during{background:var(--bar-during)}
.took{position:absolute;top:10px;left:0;font-size:12px;color:var(--muted)}
.exit.trouble{color:var(--amber);font-weight:600}
.exit.skipped{color:var(--muted)}

.on-phone{display:none}
.on-phone svg{display:block;width:100%;height:auto}
@media(max-width:600px){.on-desk{display:none}.on-phone{display:block}}
@media(max-width:720px){
main{padding:14px 12px 4px}footer{padding:8px 14px 32px}
h1{font-size:21px}
.verdict{padding:16px 16px}.card{padding:16px}
.asked{font-size:16px}
figure.card{padding:10px}
.evidence{padding:4px 14px}
.row.head{display:none}
.row{grid-template-columns:minmax(0,1fr) auto;gap:8px 14px}
.row .cmd,.row .track{grid-column:1/-1}
.row .track{margin-top:0;margin-bottom:18px}
.row:target{margin:0 -14px;padding-left:14px;padding-right:14px}
}
@media print{
:root{--ground:#fff}
body{font-size:12px}
main,footer{max-width:none}
.card,.verdict,.row,.remedy{break-inside:avoid}
pre.copy code{white-space:pre-wrap}
.scroll svg{min-width:0}
}
`;
