// Shows the OpenAPI document. All text is set as text, never as markup.

const element = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== undefined));
  return node;
};

/** Comments mark names with backticks, as Markdown does. */
const prose = (text) => (text ?? '').split('`').map((part, index) => (index % 2 ? element('code', {}, part) : part));

const paragraphs = (text) => (text ?? '').split('\n\n').filter(Boolean).map((part) => element('p', {}, ...prose(part)));

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.type === 'array') return `${typeOf(schema.items)}[]`;
  return schema.format ? `${schema.type} (${schema.format})` : (schema.type ?? 'any');
}

/** The schema's fields, those of schemas within it on demand: messages may hold each other. */
function schemaView(api, schema) {
  const target = schema.items ?? schema;
  const name = target.$ref?.split('/').pop();
  if (!name) return element('p', {}, element('code', {}, typeOf(schema)));
  const found = api.components.schemas[name];
  const view = element('details', {}, element('summary', {}, element('code', {}, typeOf(schema))));
  view.addEventListener('toggle', () => {
    if (!view.open || view.dataset.filled) return;
    view.dataset.filled = 'yes';
    view.append(...paragraphs(found.description), fieldsView(api, found));
  });
  return view;
}

function fieldsView(api, schema) {
  if (!schema.properties) return element('div');
  const rows = Object.entries(schema.properties).map(([name, field]) => {
    const always = schema.required?.includes(name) ? 'always there' : '';
    const type = (field.items ?? field).$ref ? schemaView(api, field) : element('code', {}, typeOf(field));
    const about = element('td', {}, ...prose(field.description), ' ', element('span', { class: 'quiet' }, always));
    return element('tr', {}, element('th', { scope: 'row' }, element('code', {}, name)), element('td', {}, type), about);
  });
  return element('table', {}, element('tbody', {}, ...rows));
}

function parametersView(api, parameters) {
  const rows = parameters.map((given) => {
    const parameter = given.$ref ? api.components.parameters[given.$ref.split('/').pop()] : given;
    return element(
      'tr',
      {},
      element('th', { scope: 'row' }, element('code', {}, parameter.name)),
      element('td', {}, parameter.in),
      element('td', {}, element('code', {}, typeOf(parameter.schema))),
      element('td', {}, ...prose(parameter.description)),
    );
  });
  return element('table', {}, element('tbody', {}, ...rows));
}

function operationView(api, path, verb, operation) {
  const summary = element(
    'summary',
    {},
    element('span', { class: 'verb' }, verb.toUpperCase()),
    element('code', {}, path),
    ' ',
    element('span', { class: 'quiet' }, operation.summary),
  );
  const view = element('details', { id: operation.operationId }, summary);
  const permission = operation['x-permission'];
  const needs = permission ?? (operation.security.length === 0 ? 'nothing: open to all' : 'to be signed in');
  view.append(...paragraphs(operation.description));
  view.append(element('p', {}, 'Needs ', element('code', {}, needs)));
  const also = operation['x-also-permissions'] ?? [];
  if (also.length > 0) {
    const names = also.flatMap((name) => [' ', element('code', {}, name)]);
    view.append(element('p', { class: 'quiet' }, 'For a part of what it does, also', ...names));
  }
  view.append(element('p', { class: 'quiet' }, 'gRPC ', element('code', {}, operation['x-grpc-method'])));
  if (operation.parameters) view.append(parametersView(api, operation.parameters));
  const body = operation.requestBody?.content['application/json'].schema;
  if (body) view.append(element('p', {}, 'Body'), schemaView(api, body));
  view.append(element('p', {}, 'Answer'), schemaView(api, operation.responses[200].content['application/json'].schema));
  return { view, words: `${verb} ${path} ${operation.operationId} ${operation.summary} ${needs} ${also.join(' ')}`.toLowerCase() };
}

async function show() {
  const main = document.getElementById('operations');
  const answer = await fetch('/v1/openapi.json');
  if (!answer.ok) {
    main.replaceChildren(element('p', {}, `The document could not be loaded (${answer.status}).`));
    return;
  }
  const api = await answer.json();
  document.getElementById('about').append(...paragraphs(api.info.description));
  const sections = api.tags.map((tag) => {
    const operations = Object.entries(api.paths).flatMap(([path, verbs]) =>
      Object.entries(verbs)
        .filter(([, operation]) => operation.tags.includes(tag.name))
        .map(([verb, operation]) => operationView(api, path, verb, operation)),
    );
    const heading = element('h2', {}, tag.name);
    const view = element('section', {}, heading, ...paragraphs(tag.description), ...operations.map(({ view }) => view));
    return { view, operations };
  });
  main.replaceChildren(...sections.map(({ view }) => view));

  const search = document.getElementById('search');
  const count = document.getElementById('count');
  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const section of sections) {
      let any = false;
      for (const operation of section.operations) {
        operation.view.hidden = !operation.words.includes(wanted);
        any ||= !operation.view.hidden;
        shown += operation.view.hidden ? 0 : 1;
      }
      section.view.hidden = !any;
    }
    count.textContent = `${shown} operations`;
  };
  search.addEventListener('input', filter);
  filter();
}

await show();
