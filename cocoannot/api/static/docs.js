// Fetches the OpenAPI document and hands it to Swagger UI. Where the server has a token that this browser has not
// sent, a form trades it for the cookie first.
"use strict";

const login = document.getElementById("login");
const token = document.getElementById("token");
const message = document.getElementById("message");

function tell(text) {
  message.textContent = text;
  message.hidden = !text;
}

async function reason(answer) {
  const body = await answer.json().catch(() => ({}));
  return body.message || `${answer.status} ${answer.statusText}`;
}

async function show() {
  const answer = await fetch("openapi.json", { credentials: "same-origin" });
  if (answer.status === 401) {
    login.hidden = false;
    token.focus();
  } else if (answer.ok) {
    login.hidden = true;
    SwaggerUIBundle({
      spec: await answer.json(),
      dom_id: "#swagger-ui",
      deepLinking: true,
      validatorUrl: null,
    });
  } else {
    tell(await reason(answer));
  }
}

login.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const answer = await fetch("login", {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: token.value }),
    });
    tell(answer.ok ? "" : await reason(answer));
    if (answer.ok) {
      await show();
    }
  } catch (error) {
    tell(`The server can't be reached: ${error.message}`);
  }
});

show().catch((error) => tell(`The server can't be reached: ${error.message}`));
