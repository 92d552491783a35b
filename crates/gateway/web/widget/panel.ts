import { type Stretch, stretches } from '../src/shared/lib/links';
import type { Conversation, Line } from './conversation';
import type { Desk } from './storage';
import { STYLE } from './style';
import type { Texts } from './texts';

const LONGEST_TEXT = 4000;
/** Whoever has scrolled up further than this is reading, and stays where they are. */
const NEAR_END = 60;
const SVG = 'http://www.w3.org/2000/svg';
const BUBBLE = 'M21 12a8 8 0 0 1-8 8H4l2.2-3A8 8 0 1 1 21 12Z';
const CROSS = 'M6 6l12 12M18 6L6 18';

/** The launcher and the dialog. Everything is built as nodes: what somebody writes is never read as markup. */
export class Panel {
  readonly #conversation: Conversation;
  readonly #texts: Texts;
  readonly #desk: Desk;
  readonly #moment: Intl.DateTimeFormat;
  readonly #time: Intl.DateTimeFormat;
  readonly #host = document.createElement('clientele-widget');
  readonly #root = element('div', { class: 'root' });
  readonly #launcher: HTMLElement;
  readonly #dot: HTMLElement;
  readonly #unread: HTMLElement;
  readonly #panel: HTMLElement;
  readonly #title: HTMLElement;
  readonly #log: HTMLElement;
  readonly #notice: HTMLElement;
  readonly #form: HTMLFormElement;
  readonly #who: HTMLElement;
  readonly #name: HTMLInputElement;
  readonly #email: HTMLInputElement;
  readonly #text: HTMLTextAreaElement;
  readonly #shown = new Map<string, { node: HTMLElement; state: string }>();

  constructor(conversation: Conversation, texts: Texts, desk: Desk) {
    this.#conversation = conversation;
    this.#texts = texts;
    this.#desk = desk;
    // Of the visitor's own languages the page's: a date in English is another in Britain than in America.
    const locale = navigator.languages.find((own) => own.toLowerCase().startsWith(texts.language)) ?? texts.language;
    this.#moment = new Intl.DateTimeFormat(locale, { dateStyle: 'short', timeStyle: 'short' });
    this.#time = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
    this.#dot = element('span', { class: 'dot', hidden: '' });
    // Beside the launcher, not in it: a live region must be there before what it says.
    this.#unread = element('span', { class: 'unseen', role: 'status' });
    this.#launcher = element(
      'button',
      {
        class: 'launcher',
        type: 'button',
        'aria-expanded': 'false',
        'aria-controls': 'panel',
        'aria-label': texts.open,
      },
      icon(BUBBLE),
      this.#dot,
    );
    this.#title = element('h2', { id: 'title', dir: 'auto' }, texts.title);
    const close = element('button', { class: 'close', type: 'button', 'aria-label': texts.close }, icon(CROSS));
    this.#log = element('div', { class: 'log', role: 'log', 'aria-label': texts.log, tabindex: '0' });
    this.#notice = element('p', { class: 'state failed', role: 'alert' });
    const optional = (label: string) => `${label} (${texts.optional})`;
    this.#name = element('input', { id: 'name', maxlength: '100', autocomplete: 'name', dir: 'auto' });
    this.#email = element('input', { id: 'email', type: 'email', maxlength: '254', autocomplete: 'email' });
    this.#who = element(
      'div',
      { class: 'who' },
      element('div', {}, element('label', { for: 'name' }, optional(texts.name)), this.#name),
      element('div', {}, element('label', { for: 'email' }, optional(texts.email)), this.#email),
    );
    this.#text = element('textarea', { id: 'text', maxlength: String(LONGEST_TEXT), dir: 'auto' });
    this.#form = element(
      'form',
      {},
      this.#who,
      element('div', {}, element('label', { for: 'text' }, texts.message), this.#text),
      this.#notice,
      element('button', { class: 'send', type: 'submit' }, texts.send),
    );
    this.#panel = element(
      'div',
      { class: 'panel', id: 'panel', role: 'dialog', 'aria-labelledby': 'title', hidden: '' },
      element('header', {}, this.#title, close),
      this.#log,
      this.#form,
    );
    this.#root.lang = texts.language;
    this.#root.append(this.#panel, this.#launcher, this.#unread);

    this.#launcher.addEventListener('click', () => (this.#isOpen ? this.#close() : this.#open()));
    close.addEventListener('click', () => this.#close());
    this.#panel.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      this.#close();
    });
    this.#text.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#say();
    });
    this.#form.addEventListener('input', () => this.#keepDraft());
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return conversation.pause();
      conversation.resume();
      this.#render();
    });
    conversation.changed = () => this.#render();
  }

  mount(): void {
    const shadow = this.#host.attachShadow({ mode: 'open' });
    // A sheet made by a script needs no leave of the page's policy, as a style element would.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    shadow.adoptedStyleSheets = [sheet];
    shadow.append(this.#root);
    document.body.append(this.#host);
    // Whoever goes on to another page of the site goes on with what they were at, and keeps the focus where it is.
    const { text, name, email } = this.#desk.draft;
    [this.#text.value, this.#name.value, this.#email.value] = [text, name, email];
    if (this.#desk.open) this.#show();
  }

  get #isOpen(): boolean {
    return !this.#panel.hidden;
  }

  #open(): void {
    this.#show();
    this.#text.focus();
  }

  #show(): void {
    this.#desk.open = true;
    this.#panel.hidden = false;
    this.#root.classList.add('open');
    this.#launcher.setAttribute('aria-expanded', 'true');
    this.#launcher.setAttribute('aria-label', this.#texts.close);
    this.#render();
    this.#log.scrollTop = this.#log.scrollHeight;
    void this.#conversation.begin();
  }

  #close(): void {
    this.#desk.open = false;
    this.#panel.hidden = true;
    this.#root.classList.remove('open');
    this.#launcher.setAttribute('aria-expanded', 'false');
    this.#launcher.setAttribute('aria-label', this.#texts.open);
    this.#launcher.focus();
  }

  #say(): void {
    const text = this.#text.value.trim();
    this.#text.focus();
    if (!text) return;
    this.#conversation.say(text, this.#name.value.trim(), this.#email.value.trim());
    this.#text.value = '';
    this.#keepDraft();
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #keepDraft(): void {
    this.#desk.draft = { text: this.#text.value, name: this.#name.value, email: this.#email.value };
  }

  #render(): void {
    const { lines, greeting, title, refused, begun, unreachable } = this.#conversation;
    // A page that may not have the widget has none.
    this.#host.hidden = refused !== '';
    this.#title.textContent = title || this.#texts.title;
    this.#who.hidden = begun;
    const notice = unreachable ? this.#texts.unreachable : '';
    if (this.#notice.textContent !== notice) this.#notice.textContent = notice;
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR_END;
    const all: Line[] = greeting ? [{ id: 'greeting', mine: false, text: greeting, state: 'sent' }, ...lines] : lines;
    for (const [id, { node }] of this.#shown) {
      if (all.some((line) => line.id === id)) continue;
      node.remove();
      this.#shown.delete(id);
    }
    // Only what has changed is touched, so that nothing is read out twice.
    let before: ChildNode | null = this.#log.firstChild;
    for (const line of all) {
      const state = `${line.state} ${line.at?.getTime() ?? ''}`;
      let shown = this.#shown.get(line.id);
      if (!shown || shown.state !== state) {
        const node = this.#line(line);
        if (shown) {
          if (before === shown.node) before = node;
          shown.node.replaceWith(node);
        }
        shown = { node, state };
        this.#shown.set(line.id, shown);
      }
      if (shown.node === before) before = before.nextSibling;
      else this.#log.insertBefore(shown.node, before);
    }
    if (atEnd) this.#log.scrollTop = this.#log.scrollHeight;
    if (this.#isOpen && !document.hidden) this.#conversation.markRead();
    const { unread } = this.#conversation;
    this.#dot.hidden = !unread;
    const text = unread ? this.#texts.unread : '';
    if (this.#unread.textContent !== text) this.#unread.textContent = text;
  }

  #line(line: Line): HTMLElement {
    const { you, them, queued, sent, failed, again } = this.#texts;
    const node = element('div', { class: line.mine ? 'line mine' : 'line' });
    node.append(
      element('span', { class: 'unseen' }, `${line.mine ? you : them}: `),
      element('p', { class: 'text', dir: 'auto' }, ...stretches(line.text).map(written)),
    );
    const when = line.at ? this.#when(line.at) : '';
    const words = line.mine ? [{ queued, sent, failed }[line.state], when] : [when];
    const state = element('p', { class: line.state === 'failed' ? 'state failed' : 'state' });
    state.append(words.filter(Boolean).join(' · '));
    if (line.state === 'failed') {
      const retry = element('button', { class: 'again', type: 'button' }, again);
      retry.addEventListener('click', () => {
        this.#text.focus();
        this.#conversation.again(line.id);
      });
      state.append(' ', retry);
    }
    node.append(state);
    return node;
  }

  #when(at: Date): string {
    return (at.toDateString() === new Date().toDateString() ? this.#time : this.#moment).format(at);
  }
}

/** A stretch of a text; what leads elsewhere opens beside the page and tells nothing of it. */
function written({ text, href }: Stretch): Node | string {
  return href ? element('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow' }, text) : text;
}

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function icon(shape: string): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', shape);
  svg.append(path);
  return svg;
}
