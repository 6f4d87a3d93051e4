// The offline shell and nothing more: pages always come from the gateway, and when it cannot be reached one page says so.
const SHELL = "shell-{{ shell_version }}";
const FILES = ["/offline", "{{ asset('app.css') }}", "{{ asset('icon.svg') }}", "/static/vendor/uplot-1.6.32.min.css", "/static/vendor/instrument-sans-latin.woff2", "/static/vendor/icons.svg"];

self.addEventListener("install", event => event.waitUntil(caches.open(SHELL).then(cache => cache.addAll(FILES)).then(() => self.skipWaiting())));
self.addEventListener("activate", event => event.waitUntil(
  caches.keys().then(names => Promise.all(names.filter(name => name !== SHELL).map(name => caches.delete(name)))).then(() => self.clients.claim()),
));
self.addEventListener("fetch", event => {
  const { request } = event, url = new URL(request.url);
  if (request.mode === "navigate") event.respondWith(fetch(request).catch(() => caches.match("/offline")));
  else if (FILES.slice(1).includes(url.pathname + url.search)) event.respondWith(caches.match(request).then(kept => kept || fetch(request)));
});
