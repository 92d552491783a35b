// The site widget: <script src="https://crm.example/widget.js" data-site="SITE_KEY" async></script>
//
// api.ts           the gateway's answers, and what is worth another try
// conversation.ts  what is said, kept and sent: everything but its looks
// panel.ts         how it looks, in a shadow root, out of reach of the page's styles
// storage.ts       what outlives the page
// texts.ts         four languages; style.ts  the styles

import { Api } from './api';
import { Conversation } from './conversation';
import { Panel } from './panel';
import { desk, keep } from './storage';
import { textsFor } from './texts';

const script = document.currentScript as HTMLScriptElement | null;

function start(src: string, site: string) {
  // One is enough, however often the page names the script.
  if (document.querySelector('clientele-widget')) return;
  const conversation = new Conversation(new Api(new URL(src).origin, site), keep(site), window);
  new Panel(conversation, textsFor(document.documentElement.lang), desk(site)).mount();
  if (document.hidden) conversation.pause();
  else conversation.resume();
}

if (!script?.src || !script.dataset.site) {
  console.error('clientele: the widget needs its own script tag with data-site');
} else {
  const { src } = script;
  const { site } = script.dataset;
  if (document.body) start(src, site);
  else addEventListener('DOMContentLoaded', () => start(src, site), { once: true });
}
