#!/bin/sh
# GET / is the page, POST / the echo.
if [ "$REQUEST_METHOD" = POST ]; then
    printf 'Content-Type: %s\r\n\r\n' "${CONTENT_TYPE:-text/plain}"
    head -c "${CONTENT_LENGTH:-0}"
else
    printf 'Content-Type: text/plain\r\n\r\nHello from %s\n' "$(hostname)"
fi
