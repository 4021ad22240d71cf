/* For LD_PRELOAD: appends the name of every environment variable that the program asks for to the file GETENV_LOG. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

char *getenv(const char *name) {
  char *(*libc_getenv)(const char *) = (char *(*)(const char *))dlsym(RTLD_NEXT, "getenv");
  const char *log = libc_getenv("GETENV_LOG");
  int file = log == NULL ? -1 : open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (file >= 0) {
    dprintf(file, "%s\n", name);
    close(file);
  }
  return libc_getenv(name);
}
