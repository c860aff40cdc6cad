// The page works without this. With it, the filter needs no button, and what is shown stays fresh.
'use strict';
(() => {
  const REFRESH_MS = 10000;
  const TYPING_MS = 200;
  const form = document.getElementById('filter');
  let latest = 0;
  let typing = 0;

  document.documentElement.classList.add('live');

  function address() {
    const url = new URL(location.href);
    if (form) {
      url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== '')).toString();
      const shown = new URLSearchParams(location.search);
      const page = shown.get('page');
      shown.delete('page');
      if (page && shown.toString() === new URLSearchParams(url.search).toString()) url.searchParams.set('page', page);
    }
    url.hash = '';
    return url;
  }

  // What a reader has opened, and where the keyboard is, stays.
  function replace(old, fresh) {
    if (!old || !fresh) return;
    const open = new Map([...old.querySelectorAll('details[id]')].map((element) => [element.id, element.open]));
    for (const element of fresh.querySelectorAll('details[id]')) {
      if (open.has(element.id)) element.open = open.get(element.id);
    }
    const focused = old.contains(document.activeElement) ? document.activeElement.closest('details[id]') : null;
    old.replaceWith(document.adoptNode(fresh));
    const again = focused && document.getElementById(focused.id);
    if (again) again.querySelector('summary').focus({preventScroll: true});
  }

  // Said aloud only when it changes.
  function replaceText(id, fresh) {
    const old = document.getElementById(id);
    const text = fresh.getElementById(id)?.textContent ?? '';
    if (old && old.textContent !== text) old.textContent = text;
  }

  function replaceOptions(fresh) {
    const titles = new Map([...fresh.querySelectorAll('#state option')].map((option) => [option.value, option.textContent]));
    for (const option of document.querySelectorAll('#state option')) option.textContent = titles.get(option.value);
  }

  async function show(url) {
    const turn = ++latest;
    const answer = await fetch(url, {headers: {accept: 'text/html'}});
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (turn !== latest || !fresh.querySelector('main')) return;
    for (const id of ['list', 'figures', 'charts', 'health', 'counts']) {
      replace(document.getElementById(id), fresh.getElementById(id));
    }
    replaceText('count', fresh);
    replace(document.querySelector('header'), fresh.querySelector('header'));
    if (form) replaceOptions(fresh);
  }

  // A process that is away, or starts anew, is asked again.
  function stale() {
    document.getElementById('stale').hidden = false;
  }

  function filter() {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const url = address();
      history.replaceState(null, '', url);
      show(url).catch(stale);
    }, TYPING_MS);
  }

  if (form) {
    form.addEventListener('input', filter);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      filter();
    });
  }
  setInterval(() => {
    if (!document.hidden && !String(getSelection())) show(address()).catch(stale);
  }, REFRESH_MS);
})();
