/**
 * Buttons that copy commands: the one script of the page. It reads nothing but the command beside it, asks nobody for
 * anything, and where it may not run a click still selects a command whole. The page's policy allows it by this hash
 * and no other script.
 */
export const copyScript =
  "for(const p of document.querySelectorAll('pre.copy')){const b=document.createElement('button');b.type='button';b.className='copy-button';const say=t=>{b.textContent=document.body.dataset[t]};say('copy');b.onclick=async()=>{const t=p.textContent;try{await navigator.clipboard.writeText(t)}catch{getSelection().selectAllChildren(p);document.execCommand('copy')}say('copied');setTimeout(say,1500,'copy')};p.parentElement.insertBefore(b,p);}";

/** `printf %s "$copyScript" | openssl dgst -sha256 -binary | base64` */
export const copyScriptHash = 'sha256-h/PdivGM8iTSlcFfixnyzxHRwvemT81CJlhIecfEIcA=';

export const copyStyle = `
.copy-button{float:right;margin:6px 6px 0 0;position:relative;z-index:1;padding:3px 11px;border:1px solid var(--edge);border-radius:7px;background:var(--card);color:var(--muted);font:inherit;font-size:13px;cursor:pointer}
.copy-button:hover{color:var(--ink);border-color:var(--muted)}
@media(max-width:720px){.copy-button{float:none;display:block;margin:8px 0 -4px auto}}
@media print{.copy-button{display:none}}
`;
