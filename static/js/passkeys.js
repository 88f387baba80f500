// Forms with data-passkey="add", "authenticate" or "login" ask the browser for a passkey before they are sent.
// What is asked for stands in the element #passkey-options; for "login" the server is asked first.
(() => {
  "use strict";
  const { webauthnJSON } = window;

  function written() {
    return JSON.parse(document.getElementById("passkey-options").textContent);
  }

  async function fetched(form) {
    const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    return answer.json();
  }

  // Whether it can sign in by itself, or is a second factor only, is chosen in the form.
  function forUse(options, form) {
    const isPasskey = form.elements.passwordless.checked;
    const selection = options.publicKey.authenticatorSelection;
    selection.residentKey = isPasskey ? "required" : "discouraged";
    selection.requireResidentKey = isPasskey;
    if (isPasskey) selection.userVerification = "required";
    return options;
  }

  const ask = {
    add: async (form) => webauthnJSON.create(forUse(written().creation_options, form)),
    authenticate: async () => webauthnJSON.get(written().request_options),
    login: async (form) => webauthnJSON.get((await fetched(form)).request_options),
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.passkey) return;
    event.preventDefault();
    const error = form.querySelector("[data-passkey-error]");
    error.hidden = true;
    try {
      form.elements.credential.value = JSON.stringify(await ask[form.dataset.passkey](form));
      form.submit();
    } catch {
      // Refused by the person, by the browser, or by the device: it does not tell which.
      error.hidden = false;
    }
  });
})();
