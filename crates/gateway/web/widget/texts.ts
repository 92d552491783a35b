/** What the widget says by itself. */
export type Texts = {
  language: string;
  open: string;
  close: string;
  title: string;
  log: string;
  message: string;
  send: string;
  name: string;
  email: string;
  optional: string;
  you: string;
  them: string;
  queued: string;
  sent: string;
  failed: string;
  again: string;
  unread: string;
  unreachable: string;
};

const TEXTS: Record<string, Texts> = {
  en: {
    language: 'en',
    open: 'Open chat',
    close: 'Close chat',
    title: 'Chat',
    log: 'Messages',
    message: 'Your message',
    send: 'Send',
    name: 'Name',
    email: 'E-mail',
    optional: 'optional',
    you: 'You',
    them: 'Answer',
    queued: 'Sending…',
    sent: 'Sent',
    failed: 'Not sent',
    again: 'Try again',
    unread: 'There is an answer you have not read',
    unreachable: 'The chat cannot be reached at the moment. What you write is kept and sent later.',
  },
  es: {
    language: 'es',
    open: 'Abrir el chat',
    close: 'Cerrar el chat',
    title: 'Chat',
    log: 'Mensajes',
    message: 'Su mensaje',
    send: 'Enviar',
    name: 'Nombre',
    email: 'Correo electrónico',
    optional: 'opcional',
    you: 'Usted',
    them: 'Respuesta',
    queued: 'Enviando…',
    sent: 'Enviado',
    failed: 'No enviado',
    again: 'Intentar de nuevo',
    unread: 'Hay una respuesta que no ha leído',
    unreachable: 'No se puede acceder al chat en este momento. Lo que escriba se guarda y se envía después.',
  },
  pt: {
    language: 'pt',
    open: 'Abrir o chat',
    close: 'Fechar o chat',
    title: 'Chat',
    log: 'Mensagens',
    message: 'Sua mensagem',
    send: 'Enviar',
    name: 'Nome',
    email: 'E-mail',
    optional: 'opcional',
    you: 'Você',
    them: 'Resposta',
    queued: 'Enviando…',
    sent: 'Enviada',
    failed: 'Não enviada',
    again: 'Tentar de novo',
    unread: 'Há uma resposta que você não leu',
    unreachable: 'O chat não está acessível no momento. O que você escrever fica guardado e é enviado depois.',
  },
  ru: {
    language: 'ru',
    open: 'Открыть чат',
    close: 'Закрыть чат',
    title: 'Чат',
    log: 'Сообщения',
    message: 'Ваше сообщение',
    send: 'Отправить',
    name: 'Имя',
    email: 'Эл. почта',
    optional: 'необязательно',
    you: 'Вы',
    them: 'Ответ',
    queued: 'Отправляется…',
    sent: 'Отправлено',
    failed: 'Не отправлено',
    again: 'Попробовать ещё раз',
    unread: 'Есть непрочитанный ответ',
    unreachable: 'Чат сейчас недоступен. То, что вы напишете, сохранится и будет отправлено позже.',
  },
};

/** The texts for a page of this language, as its `lang` says it: `pt-BR` is `pt`. English for what is not spoken here. */
export function textsFor(language: string): Texts {
  const known = TEXTS[language.toLowerCase().split('-')[0] ?? ''];
  return known ?? (TEXTS.en as Texts);
}

export const LANGUAGES = Object.keys(TEXTS);
