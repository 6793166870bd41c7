/* For LD_PRELOAD: writes down where a program connects and sends to, and which names it looks up, into $OUTGOING_LOG. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *format, ...) {
  char line[512];
  va_list given;
  va_start(given, format);
  int length = vsnprintf(line, sizeof line, format, given);
  va_end(given);
  const char *path = getenv("OUTGOING_LOG");
  int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (file < 0) return;
  if (write(file, line, length) != length) abort();
  close(file);
}

static void note_address(const char *what, int fd, const struct sockaddr *address) {
  struct sockaddr_storage peer;
  if (address == NULL) {
    socklen_t length = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0) return;
    address = (const struct sockaddr *)&peer;
  }
  if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return;
  int type = 0;
  socklen_t size = sizeof type;
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
  const char *kind = type == SOCK_STREAM ? "tcp" : "udp";
  char host[INET6_ADDRSTRLEN] = "";
  int port;
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    port = ntohs(v4->sin_port);
  } else {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
    port = ntohs(v6->sin6_port);
  }
  note("%s %s %s %d\n", what, kind, host, port);
}

static int is_datagram(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int connect(int fd, const struct sockaddr *address, socklen_t length) {
  note_address("connect", fd, address);
  return REAL(connect)(fd, address, length);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
  if (is_datagram(fd)) note_address("send", fd, to);
  return REAL(sendto)(fd, data, size, flags, to, length);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
  if (is_datagram(fd)) note_address("send", fd, NULL);
  return REAL(send)(fd, data, size, flags);
}

ssize_t write(int fd, const void *data, size_t size) {
  static __thread int within = 0;
  if (!within && is_datagram(fd)) {
    within = 1;
    note_address("send", fd, NULL);
    within = 0;
  }
  return REAL(write)(fd, data, size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  if (is_datagram(fd)) note_address("send", fd, message->msg_name);
  return REAL(sendmsg)(fd, message, flags);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags) {
  if (is_datagram(fd) && count > 0) note_address("send", fd, messages[0].msg_hdr.msg_name);
  return REAL(sendmmsg)(fd, messages, count, flags);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
  note("lookup - %s 0\n", node ? node : "-");
  return REAL(getaddrinfo)(node, service, hints, result);
}
