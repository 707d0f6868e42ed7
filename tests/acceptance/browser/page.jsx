// A page as users of React write it: one hook, a button to start, a button to approve.

import { useStream } from "@langchain/langgraph-sdk/react";
import { createRoot } from "react-dom/client";

const apiUrl = new URLSearchParams(location.search).get("api");

function Approval() {
  const stream = useStream({ apiUrl, assistantId: "agent" });
  const { values, interrupt, error, isLoading } = stream;
  return (
    <>
      <h1>Approval</h1>
      <button id="start" onClick={() => stream.submit({ topic: "cats" })}>
        Start
      </button>
      <dl>
        <dt>Working</dt>
        <dd id="working">{isLoading ? "yes" : "no"}</dd>
        <dt>Draft</dt>
        <dd id="draft">{values?.draft}</dd>
        <dt>Log</dt>
        <dd id="log">{values?.log?.join(", ")}</dd>
        <dt>Error</dt>
        <dd id="error">{error ? String(error) : ""}</dd>
      </dl>
      {interrupt && (
        <section id="interrupt">
          <p id="question">{interrupt.value?.question}</p>
          <button
            id="approve"
            onClick={() => stream.submit(undefined, { command: { resume: "yes" } })}
          >
            Approve
          </button>
        </section>
      )}
    </>
  );
}

createRoot(document.getElementById("root")).render(<Approval />);
