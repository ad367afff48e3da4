// Web push in this browser: asks for leave, subscribes, and hands the subscription over to be kept.

export function pushIsPossible() {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

// `save` is given the subscription as JSON and keeps it. Answers "enabled", "refused" or "impossible".
export async function enablePush(publicKey, save) {
  if (!pushIsPossible()) return "impossible";
  if ((await Notification.requestPermission()) !== "granted") return "refused";
  await navigator.serviceWorker.register("/push-worker.js");
  const worker = await navigator.serviceWorker.ready;
  const key = bytesOf(publicKey);
  let subscription = await worker.pushManager.getSubscription();
  if (subscription && !isSame(subscription.options?.applicationServerKey, key)) {
    await subscription.unsubscribe(); // to an earlier key: no message signed by ours would be taken
    subscription = null;
  }
  subscription ??= await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  await save(subscription.toJSON());
  return "enabled";
}

// `drop` is given the endpoint and forgets it.
export async function disablePush(drop) {
  const worker = await navigator.serviceWorker?.getRegistration("/");
  const subscription = await worker?.pushManager.getSubscription();
  if (!subscription) return;
  await drop(subscription.endpoint);
  await subscription.unsubscribe();
}

export async function pushIsOn() {
  if (!pushIsPossible() || Notification.permission !== "granted") return false;
  const worker = await navigator.serviceWorker.getRegistration("/");
  return Boolean(await worker?.pushManager.getSubscription());
}

function bytesOf(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function isSame(buffer, bytes) {
  if (!buffer) return false;
  const other = new Uint8Array(buffer);
  return other.length === bytes.length && other.every((byte, place) => byte === bytes[place]);
}
