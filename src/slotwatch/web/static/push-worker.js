// Shows what slotwatch pushes, also while no page of it is open, and leads to the page that it is about.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  const told = read(event.data);
  event.waitUntil(
    self.registration.showNotification(told.title || "slotwatch", {
      body: told.body || "",
      tag: told.tag || undefined, // a second copy of the same message takes the place of the first
      lang: told.lang || "",
      icon: "/static/slotwatch.svg",
      requireInteraction: told.urgent === true,
      data: { url: told.url || "/" },
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data?.url || "/"));
});

function read(data) {
  try {
    return data?.json() ?? {};
  } catch {
    return {};
  }
}

// Only a page of ours is opened; a tab that shows it already comes to the front.
async function show(address) {
  const asked = new URL(address, self.location.origin);
  const url = asked.origin === self.location.origin ? asked.href : `${self.location.origin}/`;
  const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const open = tabs.find((tab) => tab.url === url);
  return open ? open.focus() : self.clients.openWindow(url);
}
