/**
 * The widget's own styles. The page's do not reach into the shadow root, except by inheritance, which ends here: what is
 * important inside outweighs what is important outside. The direction is that of the languages it speaks; what people
 * write has its own.
 */
export const STYLE = `
:host { all: initial !important; direction: ltr !important; }
:host([hidden]) { display: none !important; }
* { box-sizing: border-box; }
.root {
  --ink: #1b1f24; --soft: #59636e; --paper: #fff; --line: #d1d9e0; --mine: #0b5cad; --on-mine: #fff; --theirs: #eef1f4;
  --bad: #b3261e;
  position: fixed; right: 16px; bottom: 16px; z-index: 2147483000;
  font: 15px/1.45 system-ui, -apple-system, 'Segoe UI', sans-serif; color: var(--ink); text-align: start;
}
@media (prefers-color-scheme: dark) {
  .root {
    --ink: #e6eaee; --soft: #a3adb8; --paper: #1b2026; --line: #59636e; --mine: #7ab8f5; --on-mine: #0b1b2b;
    --theirs: #2a323a; --bad: #ff9d94;
  }
}
button, input, textarea { font: inherit; color: inherit; }
button { cursor: pointer; border: 0; background: none; padding: 0; }
:focus-visible { outline: 3px solid var(--mine); outline-offset: 2px; }
.launcher {
  width: 56px; height: 56px; border-radius: 50%; background: var(--mine); color: var(--on-mine); margin-inline-start: auto;
  display: grid; place-items: center; position: relative; box-shadow: 0 4px 14px #0005;
}
svg { width: 26px; height: 26px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round;
  stroke-linejoin: round; }
.dot { position: absolute; top: 2px; right: 2px; width: 14px; height: 14px; border-radius: 50%; background: var(--bad);
  border: 2px solid var(--paper); }
.panel {
  display: flex; flex-direction: column; width: 360px; height: min(560px, calc(100vh - 104px)); margin-bottom: 12px;
  background: var(--paper); border: 1px solid var(--line); border-radius: 12px; overflow: hidden;
  box-shadow: 0 8px 30px #0004;
}
[hidden] { display: none !important; }
header { display: flex; align-items: center; gap: 8px; padding: 12px 16px; border-bottom: 1px solid var(--line); }
h2 { flex: 1; margin: 0; font-size: 16px; overflow-wrap: anywhere; }
.close { width: 32px; height: 32px; border-radius: 6px; display: grid; place-items: center; }
.log { flex: 1; overflow-y: auto; padding: 16px; margin: 0; display: flex; flex-direction: column; gap: 10px;
  overscroll-behavior: contain; }
.line { max-width: 85%; align-self: start; }
.line.mine { align-self: end; text-align: end; }
.text { display: inline-block; padding: 8px 12px; border-radius: 12px; background: var(--theirs); white-space: pre-wrap;
  overflow-wrap: anywhere; text-align: start; margin: 0; }
.text a { color: inherit; }
.mine .text { background: var(--mine); color: var(--on-mine); }
.state { font-size: 12px; color: var(--soft); margin: 2px 4px 0; }
.state.failed { color: var(--bad); }
[role=alert]:empty { display: none; }
.again { text-decoration: underline; min-height: 24px; padding: 0 4px; }
form { border-top: 1px solid var(--line); padding: 12px 16px; display: grid; gap: 8px; }
.who { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
label { font-size: 12px; color: var(--soft); display: block; }
input, textarea { width: 100%; background: var(--paper); border: 1px solid var(--soft); border-radius: 8px;
  padding: 8px 10px; font-size: 15px; margin-top: 6px; }
textarea { resize: none; height: 64px; display: block; }
.send { background: var(--mine); color: var(--on-mine); border-radius: 8px; padding: 8px 16px; min-height: 36px;
  justify-self: end; font-weight: 600; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 480px) {
  .root.open { inset: 0; }
  .root.open .panel { width: 100%; height: 100%; margin: 0; border: 0; border-radius: 0; }
  .root.open .launcher { display: none; }
  input, textarea { font-size: 16px; }
}
@media (forced-colors: active) { .launcher, .send, .text { border: 1px solid; } }
@media print { .root { display: none; } }
`;
